/*
 * The log of a room as this node follows it: its own commits, what other nodes relay and commit, and what is read from the
 * store because nobody told. `head` passes a seq only when its event is here.
 */
import type { Bus, BusMessage, NodeId } from '../bus/index.js'
import { inspectUpdate, isLarge, trimKnown, type Coverage, type Inspection } from '../crdt/index.js'
import type { RoomId, Seq } from '../ids.js'
import type { StoredEvent } from '../store/types.js'
import type { Share } from '../tenants/index.js'
import type { Change } from './change.js'
import { guarded } from './guard.js'
import { LogRepair, type Hole } from './log-repair.js'
import type { PackedEvent } from './packed-event.js'
import { RemoteUpdates, type RemoteUpdate } from './remote-updates.js'
import type { Relay } from './relay.js'
import { anonymousUpdate, readPage, type RoomLog } from './room-log.js'
import type { EventTail } from './tail.js'
import type { RoomObserver, RoomOutput } from './types.js'
import { UncommittedUpdates, type UncommittedUpdate } from './uncommitted.js'

/** Milliseconds after which a relay that nobody has told committed is journaled by whoever holds it, */
const orphanMs = 2_000
/** plus up to this: the nodes that hold it do not all do it at once. */
const orphanSpreadMs = 1_000
const orphanCheckMs = 500

/** Bytes of other nodes' uncommitted updates that a room holds. */
const maxRemoteBytes = 8 * 1024 * 1024

/** Milliseconds for reading what somebody has had already from another node. */
const reachMs = 2_000

/** Message bytes that travel with one commit notice: others are read from the log. */
const maxNoticeBytes = 256 * 1024

/** What the log of a room needs of the room. */
export interface RoomEventsOptions {
  readonly roomId: RoomId
  readonly tail: EventTail
  readonly log: RoomLog
  readonly coverage: Coverage
  readonly relay: Relay
  readonly output: RoomOutput
  readonly bus: Bus
  readonly remoteMemory: Share
  readonly observer: RoomObserver
  /** Milliseconds before a hole in the log is read. */
  readonly holeGrace: number
  /** Whether changes have been committed without trouble for that many milliseconds, and there is room for more. */
  mayAdopt(milliseconds: number): boolean
  /** An update that has been relayed here and that no node seems to commit: the room journals it. */
  adopt(update: Uint8Array, inspection: Inspection): void
  /** A durable message has been handed to the output. */
  messagePassed(): void
  /** `head` has moved, by so many events of so many payload bytes, or more is covered: acks, watermarks and compaction may be due. */
  advanced(bytes: number, events: number): void
}

export class RoomEvents {
  private readonly options: RoomEventsOptions
  private readonly tail: EventTail
  private readonly repair: LogRepair
  private readonly remote: RemoteUpdates
  private readonly uncommitted = new UncommittedUpdates()
  /** Seqs held beyond a hole whose updates have been relayed from here already. */
  private readonly relayedAhead = new Set<Seq>()
  /** The highest seq that another node, or the sweep, has told of. */
  private knownHead: Seq = 0
  /** Who waits until this node has the log up to a seq. */
  private readonly reaching = new Set<{ readonly seq: Seq; readonly answer: (reached: boolean) => void }>()
  /** What this node committed in the batch that is being settled. */
  private notice: {
    head: Seq
    updates: { seq: Seq; number: number }[]
    messages: StoredEvent[]
    bytes: number
  }
  private orphanTimer: NodeJS.Timeout | null = null
  private disposed = false

  constructor(options: RoomEventsOptions) {
    this.options = options
    this.tail = options.tail
    this.notice = emptyNotice()
    this.remote = new RemoteUpdates(maxRemoteBytes, options.remoteMemory)
    this.repair = new LogRepair({
      grace: options.holeGrace,
      hole: () => this.missing(),
      fill: (hole) => this.fill(hole),
      fault: (error) => options.observer.fault('reading a hole in the log failed', error),
    })
  }

  /** The place behind the newest uncommitted update. */
  get uncommittedEnd(): number {
    return this.uncommitted.end
  }

  /** Uncommitted updates from a place on. While the database is away they may be many. */
  uncommittedFrom(place: number): Uint8Array[] {
    return this.uncommitted.from(place)
  }

  /** An update of this node is about to be relayed and journaled. */
  accepted(change: UncommittedUpdate): void {
    this.uncommitted.add(change)
  }

  /** One of this node's changes will not be in the log. */
  refused(change: Change): void {
    this.uncommitted.delete(change)
  }

  /** One of this node's changes is in the log. */
  committed(change: Change, seq: Seq): void {
    this.uncommitted.delete(change)
    change.seq = seq
    if (change.inspection !== null) this.options.coverage.add(change.inspection)
    // The tail lives longer than the member, so it gets a record of its own. A message that is a duplicate may be news as
    // well: its first commit happened, and the answer was lost.
    const { kind, author, clientId, clientSeq, name, payload } = change
    const event = { seq, kind, author, clientId, clientSeq, name, payload, createdAt: Date.now() }
    // A seed has not been relayed: until now it might have been refused (I3).
    this.pass(this.tail.add(event), kind === 'update' && !change.seed ? seq : null)
    if (this.options.bus.isAlone) return
    const { notice } = this
    notice.head = Math.max(notice.head, seq)
    if (kind === 'update') notice.updates.push({ seq, number: change.number })
    else if (notice.bytes + payload.length <= maxNoticeBytes) {
      notice.bytes += payload.length
      notice.messages.push(event)
    }
  }

  /** The batch is settled: the other nodes are told, holes are looked for. */
  settled(): void {
    const { head, updates, messages } = this.notice
    if (head > 0) {
      this.notice = emptyNotice()
      this.options.bus.publish(this.options.roomId, { kind: 'committed', head, updates, messages })
    }
    this.repair.check()
  }

  /** The store's log reaches that far: what this node lacks of it is read. */
  reaches(head: Seq): void {
    this.knownHead = Math.max(this.knownHead, head)
    this.repair.check()
  }

  /**
   * Somebody has had the log up to `seq` from another node: what this one has not heard of yet is read.
   * @returns when it is here, or the log turns out to be shorter (a restored backup): true; when neither came about within
   *   {@link reachMs}, since the database is away: false
   */
  reach(seq: Seq): Promise<boolean> {
    if (seq <= this.tail.head) return Promise.resolve(true)
    return new Promise((resolve) => {
      const timer = setTimeout(() => answer(false), reachMs)
      const answer = (reached: boolean): void => {
        clearTimeout(timer)
        this.reaching.delete(waiting)
        resolve(reached)
      }
      const waiting = { seq, answer }
      this.reaching.add(waiting)
      this.repair.check()
    })
  }

  /** Another node has relayed updates. */
  heardRelay(from: NodeId, first: number, updates: readonly Uint8Array[]): void {
    let covered = false
    for (const [index, payload] of updates.entries()) {
      const number = first + index
      if (this.remote.has(from, number)) continue
      const inspection = this.inspect(payload)
      if (inspection === null) continue
      const update: RemoteUpdate = {
        payload,
        inspection,
        sender: null,
        arrived: performance.now(),
        number: 0,
        seq: null,
        place: -1,
      }
      const seq = this.remote.add(from, number, update)
      if (seq !== null) {
        covered = true
        this.place(update, seq, false)
        continue
      }
      this.accepted(update)
      this.options.relay.add(update)
    }
    for (const shed of this.remote.shed()) this.uncommitted.delete(shed)
    this.watchOrphans()
    if (covered) this.options.advanced(0, 0)
  }

  /** Another node has committed. */
  heardCommit(from: NodeId, { head, updates, messages }: BusMessage & { kind: 'committed' }): void {
    for (const { seq, number } of updates) {
      if (number === 0) continue
      if (this.tail.has(seq)) {
        const known = this.remote.drop(from, number)
        if (known !== null) this.uncommitted.delete(known)
        continue
      }
      const update = this.remote.committed(from, number, seq)
      if (update !== null) this.place(update, seq, true)
    }
    for (const event of messages) if (event.kind === 'message') this.pass(this.tail.add(event), null)
    this.knownHead = Math.max(this.knownHead, head)
    this.options.advanced(0, 0)
  }

  dispose(): void {
    this.disposed = true
    this.repair.dispose()
    for (const { answer } of [...this.reaching]) answer(false)
    this.remote.clear()
    if (this.orphanTimer !== null) clearInterval(this.orphanTimer)
    this.orphanTimer = null
  }

  /** An update of another node gets its place in the log. */
  private place(update: RemoteUpdate, seq: Seq, relayed: boolean): void {
    this.uncommitted.delete(update)
    update.seq = seq
    if (this.tail.has(seq)) return
    this.options.coverage.add(update.inspection)
    const event = anonymousUpdate(seq, update.payload, Date.now())
    this.pass(this.tail.add(event), relayed ? seq : null)
  }

  /** Events that `head` passed: messages are due now, updates of others that came through the log are relayed. */
  private pass(events: readonly PackedEvent[], relayed: Seq | null): void {
    const { relay, output } = this.options
    let bytes = 0
    for (const event of events) {
      bytes += event.byteLength
      if (event.kind === 'message') {
        // Updates before it in the log go before it on the wire.
        relay.flush()
        output.message(event)
        this.options.messagePassed()
      } else if (event.seq !== relayed && !this.relayedAhead.delete(event.seq)) {
        const { payload, seq } = event
        relay.add({ payload, sender: null, arrived: performance.now(), seq, number: 0 })
      }
    }
    // One that the tail had to let go of is relayed again when it comes from the log: who joins meanwhile has not got it.
    if (relayed !== null && this.tail.isAhead(relayed)) this.relayedAhead.add(relayed)
    if (events.length === 0) return
    this.answerReaching()
    this.options.advanced(bytes, events.length)
  }

  private answerReaching(): void {
    if (this.reaching.size === 0) return
    for (const { seq, answer } of [...this.reaching]) if (seq <= this.tail.head) answer(true)
  }

  /** What the log has, as far as this node was told, and the tail lacks. */
  private missing(): Hole | null {
    const hole = this.tail.hole()
    if (hole !== null) return hole
    const { head } = this.tail
    // What a client claims to have had is asked for, and not taken for what a node has told.
    let upTo = this.knownHead
    for (const { seq } of this.reaching) upTo = Math.max(upTo, seq)
    return upTo > head ? { after: head, upTo } : null
  }

  private async fill(hole: Hole): Promise<void> {
    const { log, coverage, observer } = this.options
    const told = Math.max(this.tail.newest, this.knownHead)
    const waiting = [...this.reaching]
    const events = await log.read(hole.after, hole.upTo)
    observer.repaired(events.length)
    for (const { event, inspection } of events) {
      if (inspection !== null) coverage.add(inspection)
      this.pass(this.tail.add(event), null)
    }
    const end = events.at(-1)?.event.seq ?? hole.after
    if (events.length < readPage && end < hole.upTo) {
      this.contradict(end, told)
      for (const { seq, answer } of waiting) if (seq > end) answer(true)
    }
    if (!this.disposed) this.options.advanced(0, 0)
  }

  /** The log ended before what this node had been told: a false notice is not asked for again. The sweep tells the truth. */
  private contradict(end: Seq, told: Seq): void {
    if (this.knownHead <= told) this.knownHead = Math.min(this.knownHead, end)
    this.tail.contradict(end, told)
    for (const seq of this.relayedAhead) if (!this.tail.isAhead(seq)) this.relayedAhead.delete(seq)
  }

  /** @returns null for what is no update: a message on the bus is a hint, and not believed (I7) */
  private inspect(update: Uint8Array): Inspection | null {
    // Large ones are not relayed between nodes: they are read from the log, and looked at in a worker.
    if (isLarge(update)) return null
    try {
      return inspectUpdate(update)
    } catch (error) {
      this.options.observer.fault('a relay of another node holds no valid update', error)
      return null
    }
  }

  private watchOrphans(): void {
    if (this.orphanTimer !== null || this.disposed || this.remote.size === 0) return
    const check = guarded(this.options.observer, 'adopting relays', () => this.adoptOrphans())
    this.orphanTimer = setInterval(check, orphanCheckMs + Math.random() * orphanCheckMs)
  }

  /** A node that relayed and died before its commit: what it relayed is seen by many, and must not be lost. */
  private adoptOrphans(): void {
    const { coverage, adopt, mayAdopt } = this.options
    // While the database is away or slow nobody commits: their own nodes do it once it is back.
    if (!mayAdopt(orphanMs)) return
    const age = orphanMs + Math.random() * orphanSpreadMs
    for (const orphan of this.remote.takeOlder(performance.now() - age)) {
      this.uncommitted.delete(orphan)
      // What the log got without a word of whose it was is covered by now.
      const rest = trimKnown(orphan.payload, orphan.inspection, coverage)
      const inspection = inspectUpdate(rest)
      if (!inspection.empty) adopt(rest, inspection)
    }
    if (this.remote.size > 0 || this.orphanTimer === null) return
    clearInterval(this.orphanTimer)
    this.orphanTimer = null
  }
}

const emptyNotice = (): RoomEvents['notice'] => ({ head: 0, updates: [], messages: [], bytes: 0 })
