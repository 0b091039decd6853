/*
 * A store that fails as databases do, and a ledger of what really was committed. A server gets a `FaultyStore` for each of
 * its lives; the ledger and the database outlive them.
 */
import * as Y from 'yjs'
import type { Revocation } from '../auth/index.js'
import type { RoomId, Seq } from '../ids.js'
import {
  StoreError,
  type CommitEntry,
  type CommitResult,
  type Heads,
  type RevocationPage,
  type RoomRow,
  type Store,
  type StoreConnection,
  type StoredEvent,
  type Swept,
} from '../store/types.js'

/** What happens to a commit: it fails before it reaches the database, or it happens and the answer is lost. */
export type CommitFault = 'before' | 'ambiguous'

/** What the database holds of one room, in a document that knows nothing else. */
export class LedgerRoom {
  readonly doc = new Y.Doc()
  readonly events = new Map<Seq, CommitEntry>()
  /** Elements of the array 'tokens' that were there at any time. */
  readonly seen = new Set<string>()

  constructor() {
    this.doc.getArray<string>('tokens').observe((event) => {
      for (const { insert } of event.changes.delta) {
        if (Array.isArray(insert)) for (const token of insert) this.seen.add(String(token))
      }
    })
  }

  has(token: string): boolean {
    return this.doc.getArray<string>('tokens').toArray().includes(token)
  }
}

/** Everything that was committed, by whomever. */
export class Ledger {
  ambiguous = 0
  failed = 0
  duplicates = 0
  private readonly rooms = new Map<RoomId, LedgerRoom>()

  room(id: RoomId): LedgerRoom {
    const known = this.rooms.get(id)
    if (known !== undefined) return known
    const room = new LedgerRoom()
    this.rooms.set(id, room)
    return room
  }

  record(entries: readonly CommitEntry[], results: readonly CommitResult[]): void {
    for (const [i, entry] of entries.entries()) {
      const result = results[i]
      if (result?.status === 'duplicate') this.duplicates++
      if (result?.status !== 'committed') continue
      const room = this.room(entry.roomId)
      if (room.events.has(result.seq)) throw new Error(`I2: seq ${result.seq} was given twice`)
      room.events.set(result.seq, entry)
      if (entry.kind === 'update') Y.applyUpdate(room.doc, entry.payload)
    }
  }
}

export class FaultyStore implements Store {
  /** Faults of the next commits, in order. */
  readonly faults: CommitFault[] = []
  private readonly inner: Store
  private readonly ledger: Ledger
  private readonly pause: () => Promise<void>
  private killed = false

  /** @param pause awaited before and after each commit, so that what should wait for it has time to go wrong */
  constructor(inner: Store, ledger: Ledger, pause: () => Promise<void>) {
    this.inner = inner
    this.ledger = ledger
    this.pause = pause
  }

  /** The process dies: nothing of it reaches the database any more; what is under way there goes on. */
  kill(): void {
    this.killed = true
  }

  private isDead(): boolean {
    return this.killed
  }

  get connection(): StoreConnection {
    return this.inner.connection
  }

  async commit(entries: readonly CommitEntry[]): Promise<CommitResult[]> {
    await this.pause()
    const fault = this.faults.shift()
    if (this.isDead() || fault === 'before') {
      this.ledger.failed++
      throw new StoreError('transient', 'the database is away', null)
    }
    const results = await this.inner.commit(entries)
    this.ledger.record(entries, results)
    await this.pause()
    if (this.isDead() || fault === 'ambiguous') {
      this.ledger.ambiguous++
      throw new StoreError('transient', 'the connection was lost during COMMIT', null)
    }
    return results
  }

  openRoom(tenant: string, name: string): Promise<RoomRow> {
    return this.alive(() => this.inner.openRoom(tenant, name))
  }

  readEvents(roomId: RoomId, after: Seq, upTo: Seq, limit: number): Promise<StoredEvent[]> {
    return this.alive(() => this.inner.readEvents(roomId, after, upTo, limit))
  }

  readMessages(...asked: Parameters<Store['readMessages']>): ReturnType<Store['readMessages']> {
    return this.alive(() => this.inner.readMessages(...asked))
  }

  deleteRoom(tenant: string, name: string): Promise<RoomId | null> {
    return this.alive(() => this.inner.deleteRoom(tenant, name))
  }

  clusterId(): Promise<string> {
    return this.alive(() => this.inner.clusterId())
  }

  heads(roomIds: readonly RoomId[]): Promise<Heads> {
    return this.alive(() => this.inner.heads(roomIds))
  }

  sweep(node: string, leaseMs: number, roomIds: readonly RoomId[]): Promise<Swept> {
    return this.alive(() => this.inner.sweep(node, leaseMs, roomIds))
  }

  removeNode(node: string): Promise<void> {
    return this.alive(() => this.inner.removeNode(node))
  }

  removeDeadNodes(deadForMs: number): Promise<void> {
    return this.alive(() => this.inner.removeDeadNodes(deadForMs))
  }

  revoke(revocation: Revocation): Promise<void> {
    return this.alive(() => this.inner.revoke(revocation))
  }

  revocations(since: string | null, lookbackMs: number): Promise<RevocationPage> {
    return this.alive(() => this.inner.revocations(since, lookbackMs))
  }

  removeRevocations(before: number): Promise<void> {
    return this.alive(() => this.inner.removeRevocations(before))
  }

  quarantine(event: Parameters<Store['quarantine']>[0]): Promise<void> {
    return this.alive(() => this.inner.quarantine(event))
  }

  ping(): Promise<void> {
    return this.alive(() => this.inner.ping())
  }

  /** The database outlives the server. */
  close(): Promise<void> {
    this.killed = true
    return Promise.resolve()
  }

  private async alive<T>(run: () => Promise<T>): Promise<T> {
    if (this.isDead()) throw new StoreError('transient', 'the database is away', null)
    return await run()
  }
}
