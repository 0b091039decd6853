/*
 * The tasks of the worker threads, as the rooms of one tenant see them.
 */
import type { Inspection } from '../crdt/index.js'
import type { RoomId, Seq } from '../ids.js'
import type { StoreConnection } from '../store/types.js'
import { unpackInspection } from './packed-inspection.js'
import { allToShared, toShared } from './shared-bytes.js'
import type { CompactedRoom, LoadedRoom, Tasks } from './tasks.js'

/** Longest run of `addsNothing`, in ms: a document is built for nothing but a shortcut, of what anybody may have sent. */
const addsNothingMs = 5_000

/** The threads. */
export interface TaskPool {
  /** The database that the tasks read rooms from. */
  readonly connection: StoreConnection
  /** Longest run of a task, in ms. */
  readonly timeoutMs: number
  run<N extends keyof Tasks>(
    tenant: string,
    name: N,
    input: Tasks[N]['input'],
    timeoutMs: number,
  ): Promise<Tasks[N]['output']>
  /** Runs a compaction when it may: they leave a thread to those who cannot wait. */
  compacting<T>(tenant: string, run: () => Promise<T>): Promise<T>
}

/** Every task rejects with `DocWorkerError` (`busy`, `crashed`, `timed_out`, `closed`, `failed`). */
export class DocTasks {
  private readonly pool: TaskPool
  private readonly tenant: string

  constructor(pool: TaskPool, tenant: string) {
    this.pool = pool
    this.tenant = tenant
  }

  /**
   * Reads a room: the newest snapshot and the events after it, up to the head or to `upTo`. Updates that cannot be used
   * are quarantined and left out; damaged snapshots are passed over.
   * @throws {StoreError} and DocWorkerError, also `fenced`
   */
  load(room: { roomId: RoomId; epoch: number; upTo?: Seq }): Promise<LoadedRoom> {
    const { roomId, epoch, upTo } = room
    return this.run('load', { connection: this.pool.connection, roomId, epoch, upTo: upTo ?? null })
  }

  /**
   * Writes a snapshot of the room as it is in the store, garbage collected, and returns it; null when there is nothing
   * new since the last one. Any node may do it, at any time, twice.
   * @param room.plain without a document, at a cost in proportion to the bytes, and without garbage collection
   * @throws {StoreError} and DocWorkerError, also `fenced`
   */
  compact(room: { roomId: RoomId; epoch: number; plain?: boolean }): Promise<CompactedRoom | null> {
    const { roomId, epoch, plain = false } = room
    return this.pool.compacting(this.tenant, () =>
      this.run('compact', { connection: this.pool.connection, roomId, epoch, plain }),
    )
  }

  /**
   * The events up to `upTo` that a document of the log, without snapshots and without `without`, cannot take. Fails as
   * `timed_out` or `crashed` where it is too much for one.
   * @throws {StoreError} and DocWorkerError, also `fenced`
   */
  probe(input: {
    roomId: RoomId
    epoch: number
    upTo: Seq
    without: readonly Seq[]
  }): Promise<Tasks['probe']['output']> {
    return this.run('probe', { connection: this.pool.connection, ...input })
  }

  /**
   * What `stateVector` lacks of the parts, as one Yjs update.
   * @throws {UpdateInvalidError} when the state vector is none, and DocWorkerError
   */
  diff(input: { parts: readonly Uint8Array[]; stateVector: Uint8Array }): Promise<Uint8Array> {
    return this.run('diff', { parts: allToShared(input.parts), stateVector: toShared(input.stateVector) })
  }

  /** The parts as one Yjs update. @throws DocWorkerError */
  merge(input: { parts: readonly Uint8Array[] }): Promise<Uint8Array> {
    return this.run('merge', { parts: allToShared(input.parts) })
  }

  /**
   * `inspectUpdate` for a large update, which is held to `UPDATE_LIMITS`. Its `deletes` are left out.
   * @throws {UpdateInvalidError} and DocWorkerError
   */
  async inspect(input: { update: Uint8Array }): Promise<Inspection> {
    return unpackInspection(await this.run('inspect', { update: toShared(input.update) }))
  }

  /**
   * Whether all structs and deletes of the update are in the parts already.
   * @throws {UpdateInvalidError} and DocWorkerError
   */
  addsNothing(input: { parts: readonly Uint8Array[]; update: Uint8Array }): Promise<boolean> {
    const { parts, update } = input
    const timeoutMs = Math.min(addsNothingMs, this.pool.timeoutMs)
    return this.run('addsNothing', { parts: allToShared(parts), update: toShared(update) }, timeoutMs)
  }

  private run<N extends keyof Tasks>(
    name: N,
    input: Tasks[N]['input'],
    timeoutMs = this.pool.timeoutMs,
  ): Promise<Tasks[N]['output']> {
    return this.pool.run(this.tenant, name, input, timeoutMs)
  }
}
