/*
 * The document of a room as bytes: the base (newest snapshot), the merged start of the tail, and what follows. Nothing here
 * builds a Y.Doc or does O(document) work on the event loop (I5): merging and diffing happen in the doc workers, and their
 * results are kept as long as they are worth anything.
 */
import * as Y from 'yjs'
import { DocWorkerError, type DocTasks } from '../compaction/index.js'
import { contentKey, decodeStateVector, encodeStateVector, type Coverage } from '../crdt/index.js'
import type { Seq } from '../ids.js'
import type { StoredEvent } from '../store/types.js'
import type { BaseHolder, TenantBases } from './base-memory.js'
import { dropOldest } from './drop-oldest.js'
import { Nothings } from './nothings.js'
import type { EventTail } from './tail.js'

/** Up to this many bytes and updates are merged on the event loop: about a millisecond. */
const inlineMergeBytes = 16 * 1024
const inlineMergeUpdates = 64
/** Diffs kept per room. After a restart most clients are in sync and ask for the same one. */
const cachedDiffs = 32
/** A larger diff is not kept, and none for longer than this: what they are kept for is a storm of reconnects. */
const cachedDiffBytes = 1024 * 1024
const cachedDiffMs = 10_000

/** Content up to a seq, ready to be sent: whole Yjs updates, the large one first. */
export interface Prepared {
  readonly updates: readonly Uint8Array[]
  readonly upTo: Seq
}

interface Base {
  /** Null in a room without a snapshot; 'dropped' when it has to be read again. */
  readonly state: Uint8Array | null | 'dropped'
  readonly seq: Seq
}

/** Where the base is read again from, and what accounts for it. */
export interface BaseSource {
  readonly memory: TenantBases
  /** The state up to a seq, from the store. */
  read(seq: Seq): Promise<Uint8Array | null>
}

/** Bytes of a state vector that is compared with the room's: some forty thousand clients, and some 50 ms. */
const maxVectorBytes = 256 * 1024

export class RoomContent implements BaseHolder {
  private readonly workers: DocTasks
  private readonly tail: EventTail
  private readonly coverage: Coverage
  private readonly source: BaseSource
  private base: Base
  /** The size of the base, also while it is dropped. */
  private size: number
  private reading: Promise<void> | null = null
  /** The committed updates `base.seq < seq <= upTo`, merged. */
  private merged: { readonly update: Uint8Array | null; readonly upTo: Seq }
  private merging: Promise<void> | null = null
  private readonly diffs = new Map<string, Promise<Prepared>>()
  /** Updates that were found to add nothing. */
  readonly nothings = new Nothings()
  /** The base on which an answer of `addsNothing` took too long, or too much: nobody is made to wait for it again. */
  private unclearOn: Seq | null = null
  /** Seqs that transfers in progress still need the tail from. */
  private readonly pins = new Map<symbol, Seq>()

  constructor(
    workers: DocTasks,
    tail: EventTail,
    coverage: Coverage,
    base: { readonly state: Uint8Array | null; readonly seq: Seq },
    source: BaseSource,
  ) {
    this.source = source
    this.size = base.state?.length ?? 0
    source.memory.hold(this, this.size)
    this.workers = workers
    this.tail = tail
    this.coverage = coverage
    this.base = base
    this.merged = { update: null, upTo: base.seq }
  }

  get baseSeq(): Seq {
    return this.base.seq
  }

  /** Whether nothing was committed since the base, as far as this node knows. */
  get isCompact(): boolean {
    return this.tail.head === this.base.seq
  }

  get baseBytes(): number {
    return this.size
  }

  /** Lets go of the base; it is read again when somebody needs it. */
  dropBase(): void {
    if (this.base.state !== null) this.base = { state: 'dropped', seq: this.base.seq }
    this.diffs.clear()
  }

  /** The room has closed. */
  dispose(): void {
    this.source.memory.release(this)
  }

  /** The whole state. */
  async full(): Promise<Prepared> {
    await this.prepare()
    return { updates: this.parts(), upTo: this.merged.upTo }
  }

  /** What a client with that state vector lacks. @throws {UpdateInvalidError} when the vector does not decode */
  async diff(stateVector: Uint8Array): Promise<Prepared> {
    // Reading one takes the event loop (I5): who has more clients than that gets everything.
    if (stateVector.length > maxVectorBytes) return await this.full()
    const theirs = decodeStateVector(stateVector)
    if (theirs.size === 0) return await this.full()
    await this.prepare()
    const parts = this.parts()
    const upTo = this.merged.upTo
    if (parts.length === 0) return { updates: [], upTo }
    const vector = this.missingOf(theirs)
    const key = `${this.base.seq}:${upTo}:${contentKey(vector)}`
    const known = this.diffs.get(key)
    if (known !== undefined) return await known
    const result = this.computeDiff(parts, vector, upTo)
    remember(this.diffs, key, result, cachedDiffs)
    const forget = (): void => {
      if (this.diffs.get(key) === result) this.diffs.delete(key)
    }
    const prepared = await result
    let bytes = 0
    for (const update of prepared.updates) bytes += update.length
    if (bytes > cachedDiffBytes) forget()
    else setTimeout(forget, cachedDiffMs).unref()
    return prepared
  }

  /**
   * Whether an update holds nothing that the committed content lacks. An in-sync client's step 2 still carries the whole
   * delete set, so this decides whether a reconnect storm is journaled.
   */
  async addsNothing(update: Uint8Array): Promise<boolean> {
    await this.prepare()
    const rest = (this.tail.after(this.merged.upTo) ?? []).filter(isUpdate).map((event) => event.payload)
    const parts = [...this.parts(), ...rest]
    if (parts.length === 0 || this.unclearOn === this.base.seq) return false
    try {
      return await this.workers.addsNothing({ parts, update })
    } catch (error) {
      if (!(error instanceof DocWorkerError && error.isOfItsOwn)) throw error
      // It saves an event of the log, no more: what is not known to add nothing is taken in.
      this.unclearOn = this.base.seq
      return false
    }
  }

  /** Merges updates: on the event loop when they are few, else in a worker. Null for none. */
  async merge(updates: readonly Uint8Array[]): Promise<Uint8Array | null> {
    const [first] = updates
    if (first === undefined || updates.length === 1) return first ?? null
    let bytes = 0
    for (const update of updates) bytes += update.length
    if (updates.length <= inlineMergeUpdates && bytes <= inlineMergeBytes) return Y.mergeUpdates([...updates])
    return await this.workers.merge({ parts: updates })
  }

  /** Keeps the tail after `seq` in memory until released: a transfer in progress needs it at its end. */
  pin(seq: Seq): { release(): void } {
    const key = Symbol()
    this.pins.set(key, seq)
    return { release: () => void this.pins.delete(key) }
  }

  /** A newer snapshot replaces base and tail up to its seq. */
  rebase(state: Uint8Array, seq: Seq): void {
    if (seq <= this.base.seq) return
    this.base = { state, seq }
    this.size = state.length
    this.source.memory.hold(this, this.size)
    this.merged = { update: null, upTo: seq }
    this.diffs.clear()
    this.tail.dropUpTo(Math.min(seq, ...this.pins.values()))
  }

  private parts(): Uint8Array[] {
    const parts: Uint8Array[] = []
    const { state } = this.base
    if (state === 'dropped') throw new Error('the base is not here: prepare() comes first')
    if (state !== null) parts.push(state)
    if (this.merged.update !== null) parts.push(this.merged.update)
    return parts
  }

  /** Clients of which they lack nothing do not matter: all clients in sync then ask for the same diff. */
  private missingOf(theirs: ReadonlyMap<number, number>): Uint8Array {
    const vector = new Map<number, number>()
    for (const [client, clock] of this.coverage.stateVector()) {
      vector.set(client, Math.min(clock, theirs.get(client) ?? 0))
    }
    return encodeStateVector(vector)
  }

  private async computeDiff(parts: Uint8Array[], vector: Uint8Array, upTo: Seq): Promise<Prepared> {
    const update = parts.every((part) => part.length <= inlineMergeBytes)
      ? Y.diffUpdate(Y.mergeUpdates(parts), vector)
      : await this.workers.diff({ parts, stateVector: vector })
    return { updates: [update], upTo }
  }

  /** The base in memory, and the tail merged. */
  private async prepare(): Promise<void> {
    this.source.memory.use(this)
    do {
      if (this.base.state === 'dropped')
        await (this.reading ??= this.readBase().finally(() => (this.reading = null)))
      await this.prepareTail()
      // It may have been dropped again while the tail was merged.
    } while (this.base.state === 'dropped')
  }

  private async readBase(): Promise<void> {
    const { seq } = this.base
    const state = await this.source.read(seq)
    // A newer base came meanwhile.
    if (this.base.seq !== seq) return
    this.base = { state, seq }
    this.source.memory.hold(this, state?.length ?? 0)
  }

  /** Merges the tail as far as it is long, so that what a joiner still needs merged on the event loop is little. */
  private async prepareTail(): Promise<void> {
    // No further than the tail reaches now: in a room that is typed in by many it would never end.
    const { head } = this.tail
    while (this.merged.upTo < head) {
      if (this.merging !== null) {
        await this.merging
        continue
      }
      const rest = this.tail.after(this.merged.upTo) ?? []
      let bytes = 0
      for (const event of rest) bytes += event.byteLength
      if (rest.length <= inlineMergeUpdates && bytes <= inlineMergeBytes) return
      this.merging = this.mergeTail(rest).finally(() => (this.merging = null))
    }
  }

  private async mergeTail(rest: readonly StoredEvent[]): Promise<void> {
    const { merged } = this
    const { seq } = this.base
    const parts = rest.filter(isUpdate).map((event) => event.payload)
    if (merged.update !== null) parts.unshift(merged.update)
    const update = await this.merge(parts)
    const upTo = rest.at(-1)?.seq ?? merged.upTo
    // A new base meanwhile covers this and starts its own.
    if (this.base.seq === seq) this.merged = { update, upTo }
  }
}

const isUpdate = (event: StoredEvent): boolean => event.kind === 'update'

/** Adds to a bounded cache, oldest out; a promise that fails is forgotten, so that the next caller tries again. */
const remember = <T>(cache: Map<string, Promise<T>>, key: string, value: Promise<T>, size: number): void => {
  dropOldest(cache, size)
  cache.set(key, value)
  value.catch(() => cache.delete(key))
}
