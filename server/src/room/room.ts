/*
 * A room on a node: relays changes, journals them, acknowledges them, and knows what a joiner needs. It has no Y.Doc, and
 * knows nothing of sockets.
 */
import type { AwarenessEntry, ErrorCode } from '@weft/protocol'
import type { BusMessage, NodeId } from '../bus/index.js'
import { inspectUpdate, isLarge, trimKnown, type Coverage, type Inspection } from '../crdt/index.js'
import type { RoomId, Seq } from '../ids.js'
import type { JournalResult } from '../journal/index.js'
import type { StoredEvent } from '../store/types.js'
import { RoomAcks } from './acks.js'
import type { BatchParticipant } from './batch-end.js'
import { Change } from './change.js'
import type { LoadedRoom, RoomContext } from './context.js'
import { RoomContent } from './content.js'
import { RoomIntake } from './intake.js'
import { nobody } from './nobody.js'
import { Relay } from './relay.js'
import { RoomCompaction } from './room-compaction.js'
import { RoomEvents } from './room-events.js'
import { RoomLog } from './room-log.js'
import { RoomPresence } from './room-presence.js'
import { EventTail } from './tail.js'
import { Watermarks } from './watermarks.js'
import type { RoomMember, RoomOutput } from './types.js'

/** Orphans of other nodes are left alone while the journal has less room than this. */
const adoptBytes = 1024 * 1024

/** Rooms opened by this process so far. */
let openings = 0

export class Room implements BatchParticipant {
  readonly tenant: string
  readonly name: string
  readonly id: RoomId
  readonly epoch: number
  readonly content: RoomContent
  readonly tail: EventTail
  readonly presence: RoomPresence
  private readonly context: RoomContext
  private readonly output: RoomOutput
  private readonly coverage: Coverage
  private readonly relay: Relay
  private readonly log: RoomLog
  private readonly acks: RoomAcks
  private readonly compaction: RoomCompaction
  /** Whether a change may come in: to be asked before `change`, `seed` or `append`. */
  readonly intake: RoomIntake
  readonly events: RoomEvents
  /** The number of the update that was last relayed to other nodes. They know the numbers of an earlier opening still. */
  private relayed = (openings++ % 2 ** 20) * 2 ** 32
  /** Changes in the journal: updates and messages. */
  private unsettled = 0
  private settling = false
  /** Bytes of `context.memory`. */
  private accounted = 0
  private isDisposed = false
  private readonly watermarks: Watermarks
  private readonly leaveBus: () => void
  /** Why the room has ended, or null. */
  private ended: string | null = null

  constructor(tenant: string, name: string, loaded: LoadedRoom, context: RoomContext, output: RoomOutput) {
    this.tenant = tenant
    this.name = name
    this.id = loaded.id
    this.epoch = loaded.epoch
    this.context = context
    this.output = output
    this.coverage = loaded.coverage
    this.tail = new EventTail(loaded.baseSeq, loaded.events)
    this.log = new RoomLog(loaded, context.store, context.workers)
    this.content = new RoomContent(
      context.workers,
      this.tail,
      loaded.coverage,
      { state: loaded.base, seq: loaded.baseSeq },
      { memory: context.bases, read: (seq) => this.log.readState(seq) },
    )
    this.relay = new Relay(output, context.observer, (first, updates) => {
      context.bus.publish(loaded.id, { kind: 'relay', first, updates })
    })
    this.presence = new RoomPresence(loaded.id, context.bus, output, context.observer, {
      entriesPerConnection: context.options.presenceEntriesPerConnection,
      fits: (more) => context.memory.fits(more),
    })
    this.watermarks = new Watermarks(output, context.options, context.observer, () => this.handed)
    this.acks = new RoomAcks(this.coverage, context.observer)
    this.compaction = new RoomCompaction(
      this,
      this.content,
      context.workers,
      context.observer,
      context.quarantine,
      context.options.compactBytes,
      this.tail,
    )
    this.intake = new RoomIntake(context, this.coverage, this.tail, this.content, this.compaction)
    this.events = new RoomEvents({
      roomId: loaded.id,
      tail: this.tail,
      log: this.log,
      coverage: this.coverage,
      relay: this.relay,
      output,
      bus: context.bus,
      remoteMemory: context.remoteMemory,
      observer: context.observer,
      holeGrace: context.options.holeGrace,
      mayAdopt: (ms) =>
        context.journal.isCalm(ms) && this.ended === null && context.journal.hasRoom(adoptBytes),
      adopt: (update, inspection) => this.adopt(update, inspection),
      messagePassed: () => this.watermarks.messagePassed(),
      advanced: (bytes, events) => this.advanced(bytes, events),
    })
    this.compaction.opened()
    this.account()
    this.leaveBus = loaded.listen((message, from) => this.heard(message, from))
    this.presence.ask()
  }

  /** The newest seq up to which this node misses nothing. */
  get head(): Seq {
    return this.tail.head
  }

  get memberCount(): number {
    return this.acks.memberCount
  }

  /** Changes, messages included, that the journal has not settled yet. */
  get pending(): number {
    return this.unsettled
  }

  /** The state vector of what is committed, in Yjs' encoding. */
  get stateVector(): Uint8Array {
    return this.coverage.encodeStateVector()
  }

  /** The seq up to which every event has been handed to the output. */
  get handed(): Seq {
    const waiting = this.relay.firstWaitingSeq()
    return waiting === null ? this.head : Math.min(this.head, waiting - 1)
  }

  join(member: RoomMember): void {
    this.acks.join(member)
  }

  leave(member: RoomMember): void {
    if (!this.acks.leave(member)) return
    this.presence.drop(member)
    this.account()
  }

  /** What the room holds counts among what its tenant may. */
  private account(): void {
    const bytes = this.isDisposed ? 0 : this.coverage.memoryBytes + this.presence.bytes
    this.context.memory.add(bytes - this.accounted)
    this.accounted = bytes
  }

  /** Whether so many of a member's changes wait for their ack already that it must wait (I6). To be asked as `intake` is. */
  isBehindWithAcks(member: RoomMember): boolean {
    return this.acks.isFull(member)
  }

  /**
   * Inspects an update that is too large for the event loop, without what is committed already (I5).
   * @param whole leaves it as it is
   * @throws {UpdateInvalidError} and DocWorkerError
   */
  async inspectLarge(
    update: Uint8Array,
    whole = false,
  ): Promise<{ update: Uint8Array; inspection: Inspection }> {
    const { workers } = this.context
    const inspection = await workers.inspect({ update })
    if (whole || !this.coverage.overlaps(inspection)) return { update, inspection }
    const rest = await workers.diff({ parts: [update], stateVector: this.stateVector })
    return { update: rest, inspection: await workers.inspect({ update: rest }) }
  }

  /**
   * Takes a valid update in: relays it and journals it. From here on it is not refused any more (I3).
   * @param n the member's number of the change, or null for members without numbers (no ack)
   */
  change(member: RoomMember, n: number | null, update: Uint8Array, inspection: Inspection): void {
    const arrived = performance.now()
    this.received(update)
    if (this.coverage.overlaps(inspection)) {
      // What is committed already is neither relayed nor stored again: a resend, or somebody's forgery of it (I7).
      const rest = trimKnown(update, inspection, this.coverage)
      const left = inspectUpdate(rest)
      if (!left.empty) this.accept(member, n, rest, left, arrived)
      else if (n !== null) this.acknowledge(member, n, arrived)
      return
    }
    this.accept(member, n, update, inspection, arrived)
  }

  /** Takes in what is to be the first content of the document: members get it once the log has decided so (P54, P55). */
  seed(member: RoomMember, n: number, update: Uint8Array, inspection: Inspection): void {
    this.received(update)
    const content = { name: null, payload: update, inspection, seed: true }
    const change = new Change(this, member, n, content, performance.now())
    this.acks.add(member, change)
    this.journal(change)
  }

  /** Takes a durable message in. Members get it once it is committed, in seq order. */
  append(member: RoomMember, n: number, name: string, payload: Uint8Array): void {
    const change = new Change(this, member, n, { name, payload, inspection: null }, performance.now())
    this.acks.add(member, change)
    this.journal(change)
    // Those of one commit go out in one turn, which is too late to hold them back.
    this.context.loop.delivers(this.output.receivers, payload.length)
  }

  /** Acknowledges a change that holds nothing new, after those before it: everything in it is committed. */
  acknowledge(member: RoomMember, n: number, arrived = performance.now()): void {
    // Which event it was is not known any more: one by which all of it was committed. Head may stand before a hole.
    const { newest } = this.tail
    this.acks.add(member, { n, deps: [], arrived, seq: newest, dropped: false })
    this.touch(member)
  }

  private received({ length }: Uint8Array): void {
    const { observer, usage } = this.context
    observer.updateIn(length)
    usage.updates++
    usage.updateBytes += length
  }

  private accept(
    member: RoomMember,
    n: number | null,
    update: Uint8Array,
    inspection: Inspection,
    arrived: number,
  ): void {
    const change = new Change(this, member, n, { name: null, payload: update, inspection }, arrived)
    if (n !== null) this.acks.add(member, change)
    this.events.accepted(change)
    this.compaction.made(inspection.types)
    // Large ones are read from the log by the other nodes, and looked at in their workers.
    if (!this.context.bus.isAlone && !isLarge(update)) change.number = ++this.relayed
    this.relay.add(change)
    this.journal(change)
  }

  /** Journals what another node has relayed and does not commit. */
  private adopt(update: Uint8Array, inspection: Inspection): void {
    const content = { name: null, payload: update, inspection }
    const change = new Change(this, nobody, null, content, performance.now())
    this.events.accepted(change)
    this.journal(change)
  }

  private journal(change: Change): void {
    this.unsettled++
    this.context.journal.append(change)
  }

  /** The journal knows what became of a change. */
  settle(change: Change, result: JournalResult): void {
    this.unsettled--
    const seq = this.settled(change.sender, change.n, result)
    if (seq === null) {
      change.dropped = true
      this.events.refused(change)
    } else this.events.committed(change, seq)
  }

  /** What the sender shows of itself. @returns whether there was room for it */
  setPresence(member: RoomMember, entries: readonly AwarenessEntry[], first: boolean): boolean {
    const fits = this.presence.apply(member, entries, first)
    this.account()
    return fits
  }

  broadcast(member: RoomMember, name: string, payload: Uint8Array): void {
    this.output.broadcast(member, member.user, name, payload)
    this.context.bus.publish(this.id, { kind: 'broadcast', author: member.user, name, payload })
  }

  /**
   * Everything after `seq` that is committed or relayed: the updates, and the messages. To be sent in the turn in which the
   * member is subscribed, so that nothing falls between.
   * @param seq not before what a pin holds
   * @param uncommittedFrom leaves out uncommitted updates before this place, which the member has been sent already
   */
  rest(seq: Seq, uncommittedFrom = 0): { updates: Uint8Array[]; messages: StoredEvent[] } {
    const events = this.tail.after(seq)
    if (events === null) throw new Error(`room ${this.id} has let go of what follows ${seq}`)
    const updates: Uint8Array[] = []
    const messages: StoredEvent[] = []
    for (const event of events) {
      if (event.kind === 'update') updates.push(event.payload)
      else messages.push(event)
    }
    // Beyond a hole: relayed and committed before this member came, so they will not be relayed to it any more.
    for (const event of this.tail.beyond()) if (event.kind === 'update') updates.push(event.payload)
    return { updates: [...updates, ...this.events.uncommittedFrom(uncommittedFrom)], messages }
  }

  /** The next events after `seq` from the log, for one who missed more than the tail holds; never empty. */
  async readLog(seq: Seq): Promise<readonly StoredEvent[]> {
    const page = await this.log.read(seq, this.head)
    if (page.length === 0)
      throw new Error(`the log of room ${this.id} has nothing after ${seq}, and should reach ${this.head}`)
    return page.map(({ event }) => event)
  }

  /** Whether anything was committed since the newest snapshot that this node knows. */
  get isCompact(): boolean {
    return this.content.isCompact
  }

  /** Writes a snapshot of what is committed, and lets go of the tail before it. Single flight. */
  async compact(): Promise<void> {
    if (!this.isCompact) await this.compaction.run()
  }

  /**
   * What the store says of the room: all that nobody told this node of is read.
   * @param row null when the room is gone
   */
  swept(row: { readonly headSeq: Seq; readonly epoch: number } | null): void {
    if (row?.epoch === this.epoch) this.events.reaches(row.headSeq)
    else this.end('room_deleted', 'the room has been deleted')
  }

  /** See {@link RoomEvents.reach}. */
  reach(seq: Seq): Promise<boolean> {
    return this.events.reach(seq)
  }

  /** The room has been deleted: it ends for everybody here. */
  end(code: 'room_deleted', message: string): void {
    this.ended ??= message
    this.sendAway(code, message)
  }

  /** Everybody here leaves, with a code that says whether to come back. */
  sendAway(code: ErrorCode, message: string): void {
    for (const member of this.acks.all()) {
      this.leave(member)
      member.end(code, message)
    }
  }

  get isEnded(): boolean {
    return this.ended !== null
  }

  /** Stops the timers. The room must have no members. */
  dispose(): void {
    this.relay.flush()
    this.presence.dispose()
    this.events.dispose()
    this.watermarks.dispose()
    this.compaction.dispose()
    this.leaveBus()
    // An ended room may hear of commits still.
    this.isDisposed = true
    this.account()
    this.content.dispose()
    this.output.dispose()
  }

  /** The journal settles a batch in one turn: acks go out once, after all of it. */
  private touch(member: RoomMember): void {
    this.acks.touch(member)
    this.afterThis()
  }

  private afterThis(): void {
    if (this.settling) return
    this.settling = true
    this.context.batchEnd.await(this)
  }

  /** @returns the seq, or null when the entry is not in the log */
  private settled(member: RoomMember, n: number, result: JournalResult): Seq | null {
    this.touch(member)
    switch (result.status) {
      case 'committed':
      case 'duplicate':
        return result.seq
      case 'conflict':
        member.nack(n, 'conflict', `change ${n} was committed as ${result.seq} with another content`)
        return null
      case 'not_empty':
        this.context.observer.refused('not_empty')
        member.nack(n, 'not_empty', 'the document has content already')
        return null
      case 'quarantined':
        this.context.observer.refused('quarantined')
        member.nack(n, 'quarantined', 'the database refuses this change')
        return null
      case 'fenced':
        member.nack(n, 'room_deleted', 'the room has been deleted')
        this.end('room_deleted', 'the room has been deleted')
        return null
    }
  }

  /** `head` has moved by so many events of so many bytes, or more is covered than before. */
  private advanced(bytes: number, events: number): void {
    this.compaction.grew(bytes, events)
    this.afterThis()
  }

  /** Called by `BatchEnd`. */
  afterBatch(): void {
    this.settling = false
    this.account()
    this.acks.release()
    this.events.settled()
    this.watermarks.advanced(this.head)
    this.compaction.runIfDue()
  }

  /** Another node says something of this room. */
  private heard(message: BusMessage, from: NodeId): void {
    switch (message.kind) {
      case 'relay':
        this.events.heardRelay(from, message.first, message.updates)
        return
      case 'committed':
        this.events.heardCommit(from, message)
        return
      case 'broadcast':
        // What is lost of these nobody misses (P35), and the other node may have nobody in the room to slow it down.
        if (this.context.loop.isOver) return
        this.output.broadcast(null, message.author, message.name, message.payload)
        return
      case 'presence':
        this.presence.heard(message, from)
        this.account()
        return
      case 'presence_wanted':
        this.presence.answer()
        return
    }
  }
}
