/* One room on a node without a database, threads or sockets: a log in memory, workers and a uWebSockets.js in script. */
import * as Y from 'yjs'
import { decodeServerFrame, encodeValue } from '@weft/protocol'
import { mayAll } from '../../auth/index.js'
import { MemoryBus } from '../../bus/index.js'
import { DocWorkers, type CompactedRoom } from '../../compaction/index.js'
import { Coverage, inspectUpdate } from '../../crdt/index.js'
import { asRoomId, type Seq } from '../../ids.js'
import { Journal } from '../../journal/index.js'
import { FairShares, LoopTurns, TenantCounts } from '../../tenants/index.js'
import { BaseMemory, BatchEnd, Room, RoomQuarantine, type RoomOptions } from '../../room/index.js'
import { ScriptedMember, silentObserver } from '../../room/testing/scripted.js'
import { StoreError, type CommitEntry, type CommitResult, type StoredEvent } from '../../store/types.js'
import { PublishTurns, RoomChannel } from '../channel.js'
import { Membership, type SyncRequest } from '../membership.js'
import { Socket } from '../socket.js'
import { WeftWire } from '../weft-member-wire.js'
import { ScriptedApp, ScriptedSocket } from './scripted-uws.js'

const nothing = (): void => undefined
const away = new StoreError('transient', 'the connection was lost', null)
const roomId = asRoomId(1)

/** A turn of the event loop. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Turns until something is so. @throws {Error} when it does not come to be */
export const until = async (condition: () => boolean, what: string): Promise<void> => {
  const deadline = performance.now() + 5_000
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`did not come to be: ${what}`)
    await turn()
  }
}

/** The key that an update of a `Typist` sets. */
const keyOf = (update: Uint8Array): string => {
  for (const struct of Y.decodeUpdate(update).structs) {
    if (struct instanceof Y.Item && struct.parentSub !== null) return struct.parentSub
  }
  throw new Error('the update sets no key')
}

/** The payload of a message of about that length. */
export const saying = (length: number): Uint8Array => encodeValue('x'.repeat(length))

/** Sets a new key with each update; each needs the one before it. */
export class Typist {
  private readonly doc = new Y.Doc()
  private count = 0

  type(length = 1): Uint8Array {
    const before = Y.encodeStateVector(this.doc)
    this.doc.getMap('m').set(`${this.doc.clientID}.${this.count++}`, 'x'.repeat(length))
    return Y.encodeStateAsUpdate(this.doc, before)
  }
}

export class MemoryLog {
  readonly events: StoredEvent[] = []
  /** By index of the event: the key of an update, null for a message. */
  readonly keys: (string | null)[] = []
  /** What becomes of the next commits: they happen and the answer is lost, or they do not happen. */
  readonly faults: ('ambiguous' | 'lost')[] = []
  private gate: Promise<void> | null = null
  private open: () => void = nothing

  /** The database is away, until `resume`. */
  pause(): void {
    this.gate ??= new Promise((resolve) => (this.open = resolve))
  }

  resume(): void {
    this.gate = null
    this.open()
  }

  async commit(entries: readonly CommitEntry[]): Promise<CommitResult[]> {
    await this.gate
    const fault = this.faults.shift()
    if (fault === 'lost') throw away
    const results = entries.map((entry) => this.append(entry))
    if (fault === 'ambiguous') throw away
    return results
  }

  append(entry: Pick<CommitEntry, 'kind' | 'clientId' | 'clientSeq' | 'name' | 'payload'>): CommitResult {
    const { kind, clientId, clientSeq, name, payload } = entry
    const known = this.events.find(
      (event) => kind === 'message' && event.clientId === clientId && event.clientSeq === clientSeq,
    )
    if (known !== undefined) return { status: 'duplicate', seq: known.seq }
    const seq = this.events.length + 1
    this.events.push({ seq, kind, author: null, clientId, clientSeq, name, payload, createdAt: 0 })
    this.keys.push(kind === 'update' ? keyOf(payload) : null)
    return { status: 'committed', seq }
  }

  async readEvents(_room: number, after: number, upTo: number, limit: number): Promise<StoredEvent[]> {
    await turn()
    return this.events.slice(after, Math.min(upTo, after + limit))
  }

  /** The messages after a seq and up to another. */
  messages(after: Seq, upTo: Seq): Seq[] {
    return this.events.slice(after, upTo).flatMap(({ kind, seq }) => (kind === 'message' ? [seq] : []))
  }
}

/** What the threads do, done here after some turns. */
class ScriptedWorkers {
  /** Turns that a task takes. */
  latency = 1
  private readonly log: MemoryLog
  private snapshot: Seq = 0

  constructor(log: MemoryLog) {
    this.log = log
  }

  /** The room calls no other methods than the ones below. */
  get workers(): DocWorkers {
    const workers = Object.create(DocWorkers.prototype) as DocWorkers
    workers.merge = ({ parts }) => this.task(() => stateOf(parts))
    workers.diff = ({ parts, stateVector }) => this.task(() => stateOf(parts, stateVector))
    workers.inspect = ({ update }) => this.task(() => inspectUpdate(update))
    workers.compact = () => this.task(() => this.compact())
    return workers
  }

  private async task<T>(run: () => T): Promise<T> {
    for (let i = 0; i < this.latency; i++) await turn()
    const result = run()
    for (let i = 0; i < this.latency; i++) await turn()
    return result
  }

  /** From the log alone: it may reach beyond what the node knows. */
  private compact(): CompactedRoom | null {
    const { events } = this.log
    if (this.snapshot === events.length) return null
    this.snapshot = events.length
    const state = stateOf(events.filter(({ kind }) => kind === 'update').map(({ payload }) => payload))
    const stateVector = Y.encodeStateVectorFromUpdate(state)
    return { seq: events.length, state, stateVector, bytes: state.length, quarantined: [], problems: [] }
  }
}

/** Without `Y.mergeUpdates`: tests count its calls on the event loop. */
const stateOf = (parts: readonly Uint8Array[], stateVector?: Uint8Array): Uint8Array => {
  const doc = new Y.Doc()
  for (const part of parts) Y.applyUpdate(doc, part)
  return Y.encodeStateAsUpdate(doc, stateVector)
}

export class ScriptedNode {
  readonly log = new MemoryLog()
  readonly workers = new ScriptedWorkers(this.log)
  readonly room: Room
  readonly channel: RoomChannel
  readonly uws = new ScriptedApp()
  readonly faults: unknown[] = []
  readonly journal: Journal
  readonly paceBytes = 2_000
  readonly loop = new LoopTurns(new FairShares(100).limit(1e9))
  readonly maxBackpressure = 8_000
  /** Members without a socket, and another node. */
  private readonly typist = new Typist()
  private readonly elsewhere = new Typist()
  private readonly author = new ScriptedMember('a'.repeat(32))
  private n = 0
  private readonly otherBus

  /** @param preload fills the log before the room is opened */
  constructor(preload: (log: MemoryLog) => void = nothing, options: Partial<RoomOptions> = {}) {
    preload(this.log)
    const shared = new MemoryBus()
    const bus = shared.connect('a')
    this.otherBus = shared.connect('b')
    const fault = (_: unknown, error: unknown): void => void this.faults.push(error)
    this.journal = new Journal(
      this.log,
      {
        maxBatchEntries: 100,
        maxBatchBytes: 1e6,
        memory: new FairShares(100).limit(1e8),
        interval: () => 0,
        random: () => 0,
      },
      {
        committed: nothing,
        failed: nothing,
        quarantined: nothing,
        fault: (error) => void this.faults.push(error),
      },
    )
    const loop = this.loop.of('')
    this.channel = new RoomChannel(7, this.uws.app, new PublishTurns(), { published: nothing }, loop, nothing)
    const coverage = new Coverage()
    for (const { kind, payload } of this.log.events) {
      if (kind === 'update') coverage.add(inspectUpdate(payload))
    }
    this.room = new Room(
      '',
      'r',
      {
        id: roomId,
        epoch: 1,
        baseSeq: 0,
        base: null,
        events: [...this.log.events],
        coverage,
        listen: (listener) => bus.subscribe(roomId, listener),
      },
      {
        journal: this.journal.lane(''),
        bus,
        store: this.log,
        workers: this.workers.workers,
        bases: new BaseMemory(1e9).forTenant(),
        usage: new TenantCounts(0).others,
        loop,
        remoteMemory: new FairShares(100).limit(1e9).share(''),
        memory: new FairShares(100).limit(1e9).share(''),
        quarantine: new RoomQuarantine(() => undefined),
        batchEnd: new BatchEnd({ ...silentObserver, fault }),
        observer: { ...silentObserver, fault },
        options: {
          compactBytes: 1e9,
          presenceEntriesPerConnection: 4,
          holeGrace: 1,
          maxWaitingBytes: 1e6,
          watermarkEvents: 1,
          watermarkInterval: 1,
          messageWatermarkInterval: 1,
          maxDocumentBytes: 1e9,
          ...options,
        },
      },
      this.channel,
    )
    this.room.join(this.author)
  }

  /** A change by a member of this node. */
  type(length = 1): void {
    const update = this.typist.type(length)
    this.room.change(this.author, ++this.n, update, inspectUpdate(update))
  }

  say(length = 1): void {
    this.room.append(this.author, ++this.n, 'm', saying(length))
  }

  /** A commit of another node that this one is not told of. */
  foreign(kind: 'update' | 'message'): void {
    const payload = kind === 'update' ? this.elsewhere.type() : Uint8Array.of(1)
    const clientSeq = kind === 'update' ? null : this.log.events.length + 1
    this.log.append({
      kind,
      clientId: 'b'.repeat(32),
      clientSeq,
      name: kind === 'update' ? null : 'm',
      payload,
    })
  }

  /** The other node tells of its commits. */
  tell(): void {
    this.otherBus.publish(roomId, {
      kind: 'committed',
      head: this.log.events.length,
      updates: [],
      messages: [],
    })
  }

  /** Everything is committed, and this node knows it. */
  async committed(): Promise<void> {
    await this.journal.flush()
    this.tell()
    await until(() => this.room.head === this.log.events.length, 'the head of the log')
  }

  dispose(): void {
    this.log.resume()
    this.room.dispose()
  }
}

/** What a client keeps: its document, and how far it has everything. */
export interface ClientState {
  readonly doc: Uint8Array
  /** What it may resume after. */
  readonly watermark: Seq
  /** The newest message that it has seen, or that was before its time. */
  readonly lastMessage: Seq
}

export type Pace = 'reads' | 'waits' | 'clogged'

/** A client that keeps count: what breaks the protocol is in `broken`. */
export class ScriptedClient {
  readonly broken: string[] = []
  readonly frames: ReturnType<typeof decodeServerFrame>[] = []
  /** Seqs of the EVENT frames as they came. */
  readonly events: Seq[] = []
  /** Every state that it could have been cut off in. */
  readonly states: ClientState[] = []
  readonly socket: ScriptedSocket
  readonly member: Membership
  private readonly node: ScriptedNode
  private readonly doc = new Y.Doc()
  private watermark: Seq
  private lastMessage: Seq
  private notBefore: Seq
  private joined: { head: Seq } | null = null
  private done = false
  private parts: Uint8Array[] = []

  /** @param pace whether it reads at once, later, or has yet to read what another room sent */
  constructor(
    node: ScriptedNode,
    request: SyncRequest,
    state: ClientState | null = null,
    pace: Pace = 'reads',
  ) {
    this.node = node
    if (state !== null) Y.applyUpdate(this.doc, state.doc)
    this.watermark = request.mode === 'resume' ? request.after : 0
    this.lastMessage = state === null ? this.watermark : state.lastMessage
    this.notBefore = this.watermark
    this.socket = new ScriptedSocket(node.uws, node.maxBackpressure, (frame) => this.take(frame))
    this.socket.reading = pace === 'reads'
    if (pace === 'clogged') this.socket.clog(node.paceBytes + 1)
    const failed = (error: unknown): void => void this.broken.push(String(error))
    const socket = new Socket(
      this.socket.ws,
      { paceBytes: node.paceBytes, queuedBytes: 1e6, transfers: node.loop.transfers, publishElsewhere: null },
      true,
      {
        fellBehind: () => this.member.fellBehind(),
        caughtUp: () => void this.member.catchUp().catch(failed),
        tooSlow: failed,
      },
    )
    this.socket.onDropped = () => socket.noteDrop()
    this.socket.onDrain = () => socket.drained()
    const wire = new WeftWire({ socket, ended: failed }, node.room, node.channel.number, 'write', 1)
    const hold = { room: node.room, output: node.channel, release: nothing }
    this.member = new Membership('weft', socket, hold, wire, {
      user: null,
      connection: '',
      clientId: null,
      permissions: mayAll,
    })
    this.member.sync(request).catch(failed)
    this.leave = () => {
      this.member.leave()
      socket.closed()
      this.socket.close()
    }
  }

  /** The connection is gone. */
  readonly leave: () => void

  static resume(node: ScriptedNode, state: ClientState, pace: Pace = 'reads'): ScriptedClient {
    return new ScriptedClient(node, { mode: 'resume', after: state.watermark }, state, pace)
  }

  static diff(node: ScriptedNode, state: ClientState, pace: Pace = 'reads'): ScriptedClient {
    const stateVector = Y.encodeStateVectorFromUpdate(state.doc)
    return new ScriptedClient(node, { mode: 'diff', stateVector }, state, pace)
  }

  get isDone(): boolean {
    return this.done
  }

  get head(): Seq {
    return this.joined?.head ?? -1
  }

  /** The seq of the newest watermark. */
  get told(): Seq {
    return this.watermark
  }

  /** What frames came, shortly. */
  get order(): string[] {
    return this.frames.map((frame) => {
      if (frame.type === 'sync') return `sync ${frame.part} ${frame.data.length > 0 ? 'full' : 'empty'}`
      return frame.type === 'event' || frame.type === 'watermark' ? `${frame.type} ${frame.seq}` : frame.type
    })
  }

  /** Keys that the log has up to a seq and the document lacks. */
  missing(upTo: Seq): string[] {
    const map = this.doc.getMap('m')
    return this.node.log.keys.slice(0, upTo).filter((key) => key !== null && !map.has(key)) as string[]
  }

  get keys(): number {
    return this.doc.getMap('m').size
  }

  /** Checks that it has all of the log. */
  checkComplete(): void {
    this.checkHas(this.node.log.events.length, 'the end')
    if (!this.member.isLive) this.broken.push('it is not live')
  }

  private take(bytes: Uint8Array): void {
    const frame = decodeServerFrame(bytes)
    this.frames.push(frame)
    if (frame.type === 'joined') {
      this.joined = { head: frame.head }
      if (frame.mode === 'resume') return
      this.notBefore = frame.head
      this.lastMessage = Math.max(this.lastMessage, frame.head)
    } else if (frame.type === 'sync') {
      if (frame.data.length > 0) this.parts.push(frame.data)
      if (frame.part === 'more') return
      if (this.parts.length > 0) this.apply(Buffer.concat(this.parts))
      this.parts = []
      if (frame.part === 'done') this.finishSync()
    } else if (frame.type === 'updates') {
      if (!this.done) this.broken.push('UPDATES before done')
      for (const update of frame.updates) this.apply(update)
    } else if (frame.type === 'event') {
      this.event(frame.seq)
    } else if (frame.type === 'watermark') {
      if (!this.done) this.broken.push('WATERMARK before done')
      this.advance(frame.seq, `WATERMARK ${frame.seq}`)
    } else {
      this.broken.push(`unexpected ${frame.type}`)
    }
  }

  private apply(update: Uint8Array): void {
    Y.applyUpdate(this.doc, update)
  }

  private event(seq: Seq): void {
    this.events.push(seq)
    if (seq <= this.notBefore) this.broken.push(`EVENT ${seq} is history before ${this.notBefore}`)
    if (seq <= this.lastMessage) return
    const skipped = this.node.log.messages(this.lastMessage, seq - 1)
    if (skipped.length > 0) this.broken.push(`EVENT ${seq} came before ${skipped.join()}`)
    this.lastMessage = seq
  }

  private finishSync(): void {
    if (this.done) this.broken.push('a second done')
    this.done = true
    this.advance(this.head, 'done')
  }

  /** The client resumes after `seq` from now on: nothing up to it may be missing. */
  private advance(seq: Seq, why: string): void {
    this.checkHas(seq, why)
    this.watermark = Math.max(this.watermark, seq)
    const { watermark, lastMessage } = this
    this.states.push({ doc: Y.encodeStateAsUpdate(this.doc), watermark, lastMessage })
  }

  private checkHas(seq: Seq, what: string): void {
    const keys = this.missing(seq)
    if (keys.length > 0)
      this.broken.push(`${what}: ${keys.length} updates are missing, ${keys.slice(0, 3).join()}`)
    const messages = this.node.log.messages(this.lastMessage, seq)
    if (messages.length > 0) this.broken.push(`${what}: messages are missing, ${messages.slice(0, 9).join()}`)
  }
}
