/* Nodes with one room each over one log in memory, and people who type into it: for tests with a clock of their own. */
import * as Y from 'yjs'
import type { ErrorCode } from '@weft/protocol'
import { DocWorkers } from '../../compaction/index.js'
import { Coverage, inspectUpdate } from '../../crdt/index.js'
import { asRoomId, type Seq } from '../../ids.js'
import { Journal } from '../../journal/index.js'
import type { CommitEntry, CommitResult, StoredEvent } from '../../store/types.js'
import { FairShares, LoopTurns, TenantCounts } from '../../tenants/index.js'
import { BaseMemory } from '../base-memory.js'
import { BatchEnd } from '../batch-end.js'
import { RoomQuarantine } from '../room-quarantine.js'
import { Room } from '../room.js'
import type { RoomMember } from '../types.js'
import { ScriptedOutput, silentObserver } from './scripted.js'
import type { SeededBus, SeededEnd } from './seeded-bus.js'

const nothing = (): void => undefined

/** One log for all nodes, with what it holds as a document. */
export class SharedLog {
  readonly events: StoredEvent[] = []
  readonly doc = new Y.Doc()
  reads = 0

  append({ kind, author, clientId, clientSeq, name, payload, seed }: CommitEntry): CommitResult {
    const known = this.events.find(
      (event) =>
        (kind === 'message' || seed === true) &&
        event.kind === kind &&
        event.clientId === clientId &&
        event.clientSeq === clientSeq,
    )
    if (known !== undefined) return { status: 'duplicate', seq: known.seq }
    if (seed === true && this.events.some((event) => event.kind === 'update')) return { status: 'not_empty' }
    const seq = this.events.length + 1
    this.events.push({ seq, kind, author, clientId, clientSeq, name, payload, createdAt: 0 })
    if (kind === 'update') Y.applyUpdate(this.doc, payload)
    return { status: 'committed', seq }
  }

  readEvents(_room: number, after: Seq, upTo: Seq): Promise<StoredEvent[]> {
    this.reads++
    return Promise.resolve(this.events.slice(after, upTo))
  }
}

let workers: DocWorkers | null = null
/** Never asked: what is typed here is small. */
const idleWorkers = (): DocWorkers =>
  (workers ??= new DocWorkers({ connection: { kind: 'embedded', socketPath: '/nonexistent' }, threads: 1 }))

export class ClusterNode {
  readonly room: Room
  readonly output: NodeOutput
  readonly end: SeededEnd
  readonly typists = new Set<Typist>()
  isDead = false
  private readonly log: SharedLog
  private readonly commitDelay: () => number

  /** @param commitDelay milliseconds of a commit's round trip */
  constructor(name: string, bus: SeededBus, log: SharedLog, commitDelay: () => number) {
    this.log = log
    this.commitDelay = commitDelay
    this.end = bus.connect(name)
    this.output = new NodeOutput(this.typists)
    const id = asRoomId(1)
    const journal = new Journal(
      { commit: (entries) => this.commit(entries) },
      {
        maxBatchEntries: 100,
        maxBatchBytes: 1e6,
        memory: new FairShares(100).limit(1e7),
        interval: () => 0,
        random: () => 0,
      },
      { committed: nothing, failed: nothing, quarantined: nothing, fault: throws },
    )
    this.room = new Room(
      '',
      'r',
      {
        id,
        epoch: 1,
        baseSeq: 0,
        base: null,
        events: [],
        coverage: new Coverage(),
        listen: (listener) => this.end.subscribe(id, listener),
      },
      {
        journal: journal.lane(''),
        bus: this.end,
        store: log,
        workers: idleWorkers(),
        bases: new BaseMemory(1e9).forTenant(),
        usage: new TenantCounts(0).others,
        loop: new LoopTurns(new FairShares(100).limit(1e9)).of(''),
        remoteMemory: new FairShares(100).limit(1e9).share(''),
        memory: new FairShares(100).limit(1e9).share(''),
        quarantine: new RoomQuarantine(() => undefined),
        batchEnd: new BatchEnd({ ...silentObserver, fault: (_message, error) => throws(error) }),
        observer: { ...silentObserver, fault: (_message, error) => throws(error) },
        options: {
          compactBytes: 1e9,
          presenceEntriesPerConnection: 4,
          holeGrace: 10,
          maxWaitingBytes: 1e6,
          watermarkEvents: 256,
          watermarkInterval: 2_000,
          messageWatermarkInterval: 2_000,
          maxDocumentBytes: 1e9,
        },
      },
      this.output,
    )
  }

  /** As kill -9: a commit on its way may have happened, and nobody hears of it. */
  kill(): void {
    this.isDead = true
    this.end.isCut = true
    this.room.dispose()
  }

  /** What the sweep does. */
  sweep(): void {
    if (!this.isDead) this.room.swept({ headSeq: this.log.events.length, epoch: 1 })
  }

  private commit(entries: readonly CommitEntry[]): Promise<CommitResult[]> {
    return new Promise((resolve) => {
      setTimeout(() => {
        // Killed on the way: it happened, or it did not.
        if (this.isDead && this.commitDelay() < 16) return
        const results = entries.map((entry) => this.log.append(entry))
        setTimeout(() => {
          if (!this.isDead) resolve(results)
        }, this.commitDelay() / 2)
      }, this.commitDelay() / 2)
    })
  }
}

/** Gives what is relayed to everybody on the node. */
class NodeOutput extends ScriptedOutput {
  private readonly typists: Set<Typist>

  constructor(typists: Set<Typist>) {
    super()
    this.typists = typists
  }

  override updates(updates: readonly Uint8Array[]): void {
    for (const typist of this.typists) for (const update of updates) typist.receive(update)
  }
}

const throws = (error: unknown): never => {
  throw error instanceof Error ? error : new Error(String(error))
}

interface TypedChange {
  readonly n: number
  /** Null for a message. */
  readonly update: Uint8Array | null
  readonly clock: number
  readonly seed?: boolean
}

/** Somebody who types, on one node after the other, and sends again what was not acknowledged. */
export class Typist implements RoomMember {
  readonly user = null
  readonly access = 'write'
  readonly clientId: string
  readonly connection: string
  readonly doc = new Y.Doc()
  /** What was not acknowledged yet, in order. */
  readonly outbox: TypedChange[] = []
  /** What became of its seed: the log's word for it. */
  seedFate: 'none' | 'waits' | 'taken' | 'refused' = 'none'
  seedNumber: number | null = null
  readonly problems: string[] = []
  acked = 0
  private node: ClusterNode | null = null
  private n = 0
  private readonly log: SharedLog

  constructor(clientNumber: number, log: SharedLog) {
    this.log = log
    this.doc.clientID = clientNumber
    this.connection = `typist ${clientNumber}`
    this.clientId = clientNumber.toString(16).padStart(32, '0')
    this.doc.on('update', (update: Uint8Array, origin: unknown) => {
      if (origin === this) return
      this.send({ n: ++this.n, update, clock: Y.getState(this.doc.store, clientNumber) })
    })
  }

  join(node: ClusterNode): void {
    this.node = node
    node.room.join(this)
    const { updates } = node.room.rest(0)
    for (const update of updates) this.receive(update)
    node.typists.add(this)
    for (const change of [...this.outbox]) this.submit(change)
    this.bringBack(node)
  }

  /** What this one saw of others and the log lacks may have died with its node: only who saw it still has it. */
  private bringBack(node: ClusterNode): void {
    const known = Y.decodeStateVector(node.room.stateVector)
    const lacks = [...Y.decodeStateVector(Y.encodeStateVector(this.doc))].some(
      ([client, clock]) => client !== this.doc.clientID && clock > (known.get(client) ?? 0),
    )
    if (!lacks) return
    const update = Y.encodeStateAsUpdate(this.doc, node.room.stateVector)
    this.send({ n: ++this.n, update, clock: Y.getState(this.doc.store, this.doc.clientID) })
  }

  leave(): void {
    const { node } = this
    this.node = null
    if (node === null) return
    node.typists.delete(this)
    node.room.leave(this)
  }

  /** Inserts or deletes one character. @param where 0 to 1 */
  type(where: number, deletes: boolean): void {
    const text = this.doc.getText('t')
    const at = Math.floor(where * (text.length + 1))
    if (deletes && at < text.length) text.delete(at, 1)
    else text.insert(at, String.fromCharCode(97 + (this.n % 26)))
  }

  /** Appends a durable message. */
  say(): void {
    this.send({ n: ++this.n, update: null, clock: 0 })
  }

  /** Wants to fill the room: the content becomes its own when it comes back (P57). */
  seed(): void {
    const doc = new Y.Doc()
    doc.clientID = this.doc.clientID + 1_000
    doc.getText('t').insert(0, 'SEED')
    this.seedFate = 'waits'
    this.seedNumber = ++this.n
    this.send({ n: this.seedNumber, update: Y.encodeStateAsUpdate(doc), clock: 0, seed: true })
  }

  receive(update: Uint8Array): void {
    Y.applyUpdate(this.doc, update, this)
  }

  ack(n: number): void {
    for (let first = this.outbox[0]; first !== undefined && first.n <= n; first = this.outbox[0]) {
      this.outbox.shift()
      this.acked++
      if (first.seed === true) this.seedFate = 'taken'
      // I1: what is acknowledged can be read from the log alone, with all that it refers to.
      if (Y.getState(this.log.doc.store, this.doc.clientID) < first.clock) {
        this.problems.push(
          `change ${first.n} of ${this.doc.clientID} was acknowledged before it could be read`,
        )
      }
    }
  }

  nack(n: number, code: ErrorCode): void {
    const index = this.outbox.findIndex((change) => change.n === n)
    if (code === 'not_empty' && this.outbox[index]?.seed === true) {
      this.outbox.splice(index, 1)
      this.seedFate = 'refused'
      return
    }
    this.problems.push(`change ${n} of ${this.doc.clientID} was refused: ${code}`)
  }

  end(code: ErrorCode): void {
    this.problems.push(`${this.doc.clientID} was sent away: ${code}`)
  }

  private send(change: TypedChange): void {
    this.outbox.push(change)
    this.submit(change)
  }

  private submit({ n, update, seed }: TypedChange): void {
    const room = this.node?.room
    if (update !== null && seed === true) {
      const inspection = inspectUpdate(update)
      if (room?.intake.isFilledWithout(inspection) === true) this.nack(n, 'not_empty')
      else room?.seed(this, n, update, inspection)
    } else if (update === null) this.node?.room.append(this, n, 'said', Uint8Array.of(n & 127))
    else this.node?.room.change(this, n, update, inspectUpdate(update))
  }
}
