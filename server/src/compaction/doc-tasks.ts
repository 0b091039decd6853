/*
 * The tasks of the worker threads, as the rooms of one tenant see them.
 */
import type { Inspection } from '../crdt/index.js'
import type { RoomId, Seq } from '../ids.js'
import type { StoreConnection } from '../store/types.js'
import { allToShared, toShared } from './shared-bytes.js'
import type { CompactedRoom, LoadedRoom, Tasks } from './tasks.js'

/** The threads. */
export interface TaskPool {
  /** The database that the tasks read rooms from. */
  readonly connection: StoreConnection
  run<N extends keyof Tasks>(tenant: string, name: N, input: Tasks[N]['input']): Promise<Tasks[N]['output']>
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
   * @throws {StoreError} and DocWorkerError, also `fenced`
   */
  compact(room: { roomId: RoomId; epoch: number }): Promise<CompactedRoom | null> {
    const { roomId, epoch } = room
    return this.pool.compacting(this.tenant, () =>
      this.run('compact', { connection: this.pool.connection, roomId, epoch }),
    )
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
   * `inspectUpdate` for a large update.
   * @throws {UpdateInvalidError} and DocWorkerError
   */
  inspect(input: { update: Uint8Array }): Promise<Inspection> {
    return this.run('inspect', { update: toShared(input.update) })
  }

  /**
   * Whether all structs and deletes of the update are in the parts already.
   * @throws {UpdateInvalidError} and DocWorkerError
   */
  addsNothing(input: { parts: readonly Uint8Array[]; update: Uint8Array }): Promise<boolean> {
    return this.run('addsNothing', { parts: allToShared(input.parts), update: toShared(input.update) })
  }

  private run<N extends keyof Tasks>(name: N, input: Tasks[N]['input']): Promise<Tasks[N]['output']> {
    return this.pool.run(this.tenant, name, input)
  }
}
