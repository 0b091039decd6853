import { availableParallelism } from 'node:os'
import { Tinypool } from 'tinypool'
import { UpdateInvalidError, type Inspection } from '../crdt/index.js'
import type { RoomId, Seq } from '../ids.js'
import { StoreError, type StoreConnection } from '../store/types.js'
import { workerUrl } from '../worker-url.js'
import { DocWorkerError } from './errors.js'
import { unpackInspection } from './packed-inspection.js'
import { allToShared, toShared } from './shared-bytes.js'
import type { CompactedRoom, LoadedRoom, TaskFailure, TaskResult, Tasks } from './tasks.js'

export interface DocWorkersOptions {
  /** The database that the workers read rooms from, each on a connection of its own. */
  readonly connection: StoreConnection
  /** Threads, which are started at once and stay. Default: one less than the cores, at least 2, at most 4. */
  readonly threads?: number
  /** Processes that share the cores, each with threads of its own: the default is less by that. Default 1. */
  readonly processes?: number
  /** Heap of one thread, in MiB; a task that needs more fails as `crashed`. Default 1024. */
  readonly memoryMb?: number
  /** Tasks that may wait for a thread; past it, `busy`. Default 256. */
  readonly maxQueued?: number
  /** Longest run of a task from its start, in ms; past it the thread is ended, and the task fails. Default 60,000. */
  readonly timeoutMs?: number
  /** Told of a thread that died while it had no task. Default: nobody. */
  readonly onError?: (error: Error) => void
}

/**
 * Shared types nested by the thousand (a hostile document) make Yjs recurse as deep when the outermost is deleted. In
 * MiB; a thread has 4 by default.
 */
const STACK_MB = 32

/** Longest run of `addsNothing`, in ms: a document is built for nothing but a shortcut, of what anybody may have sent. */
const addsNothingMs = 5_000

/**
 * Worker threads for everything that costs O(document): loading, compacting, merging, diffing (I5). Byte results are in
 * shared memory. A task that dies takes only itself along.
 *
 * Every task rejects with `DocWorkerError` (`busy`, `crashed`, `timed_out`, `closed`, `failed`).
 */
export class DocWorkers {
  private readonly pool: Tinypool
  private readonly connection: StoreConnection
  private readonly threads: number
  private readonly capacity: number
  private readonly timeoutMs: number
  /** Compactions can wait, and readers cannot: with two threads or more, one stays free of them. */
  private readonly maxCompacting: number
  private readonly compactionsWaiting: (() => void)[] = []
  private compacting = 0
  /** Tasks that wait for a thread. Here, not in the pool: a task's time begins when it does. */
  private readonly waiting: (() => void)[] = []
  private running = 0
  private tasks = 0
  private closed = false

  constructor(options: DocWorkersOptions) {
    // With a single one a compaction would hold up every load and diff.
    const share = Math.floor((availableParallelism() - 1) / (options.processes ?? 1))
    const threads = options.threads ?? Math.min(4, Math.max(2, share))
    this.connection = options.connection
    this.threads = threads
    this.capacity = threads + (options.maxQueued ?? 256)
    this.timeoutMs = options.timeoutMs ?? 60_000
    this.maxCompacting = Math.max(1, threads - 1)
    this.pool = new Tinypool({
      filename: workerUrl('./doc-worker.js', import.meta.url).href,
      minThreads: threads,
      maxThreads: threads,
      // The queue is bounded here, where the rejection has a name.
      maxQueue: Infinity,
      // Waiting on Atomics would stop the thread's event loop, and with it the database connection.
      useAtomics: false,
      resourceLimits: { maxOldGenerationSizeMb: options.memoryMb ?? 1024, stackSizeMb: STACK_MB },
    })
    this.pool.on('error', (error: Error) => options.onError?.(error))
  }

  /** Tasks that run or wait. */
  get pending(): number {
    return this.tasks
  }

  /**
   * Reads a room: the newest snapshot and the events after it, up to the head or to `upTo`. Updates that cannot be used
   * are quarantined and left out; damaged snapshots are passed over.
   * @throws {StoreError} and DocWorkerError, also `fenced`
   */
  load(room: { roomId: RoomId; epoch: number; upTo?: Seq }): Promise<LoadedRoom> {
    const { roomId, epoch, upTo } = room
    return this.run('load', { connection: this.connection, roomId, epoch, upTo: upTo ?? null })
  }

  /**
   * Writes a snapshot of the room as it is in the store, garbage collected, and returns it; null when there is nothing
   * new since the last one. Any node may do it, at any time, twice.
   * @param room.plain without a document, at a cost in proportion to the bytes, and without garbage collection
   * @throws {StoreError} and DocWorkerError, also `fenced`
   */
  async compact(room: { roomId: RoomId; epoch: number; plain?: boolean }): Promise<CompactedRoom | null> {
    const { roomId, epoch, plain = false } = room
    if (this.compacting >= this.maxCompacting) {
      if (this.compactionsWaiting.length >= this.capacity) throw busy()
      await new Promise<void>((resolve) => this.compactionsWaiting.push(resolve))
    } else {
      this.compacting++
    }
    try {
      return await this.run('compact', { connection: this.connection, roomId, epoch, plain })
    } finally {
      const next = this.compactionsWaiting.shift()
      if (next === undefined) this.compacting--
      else next() // its place goes straight to the next one
    }
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
    return this.run('probe', { connection: this.connection, ...input })
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
    const timeoutMs = Math.min(addsNothingMs, this.timeoutMs)
    return this.run('addsNothing', { parts: allToShared(parts), update: toShared(update) }, timeoutMs)
  }

  /** Ends the threads. Tasks that run or wait reject as `closed`. */
  async close(): Promise<void> {
    if (this.closed) return
    this.closed = true
    for (const next of this.compactionsWaiting.splice(0)) next()
    for (const next of this.waiting.splice(0)) next()
    await this.pool.destroy()
  }

  private async run<N extends keyof Tasks>(
    name: N,
    input: Tasks[N]['input'],
    timeoutMs = this.timeoutMs,
  ): Promise<Tasks[N]['output']> {
    if (this.closed) throw new DocWorkerError('closed', 'the doc workers are closing')
    if (this.tasks >= this.capacity) throw busy()
    this.tasks++
    try {
      if (this.running < this.threads) this.running++
      else await new Promise<void>((resolve) => this.waiting.push(resolve))
      try {
        return await this.runNow(name, input, timeoutMs)
      } finally {
        const next = this.waiting.shift()
        if (next === undefined) this.running--
        else next() // its thread goes straight to the next one
      }
    } finally {
      this.tasks--
    }
  }

  private async runNow<N extends keyof Tasks>(
    name: N,
    input: Tasks[N]['input'],
    timeoutMs: number,
  ): Promise<Tasks[N]['output']> {
    const abort = new AbortController()
    const timer = setTimeout(() => abort.abort(), timeoutMs)
    let result: TaskResult<Tasks[N]['output']>
    try {
      // The one place where a worker's answer gets its type: the task of that name in doc-worker.ts returns it.
      result = (await this.pool.run(input, { name, signal: abort.signal })) as TaskResult<Tasks[N]['output']>
    } catch (error) {
      if (abort.signal.aborted)
        throw new DocWorkerError('timed_out', `${name} took longer than ${timeoutMs} ms`, { cause: error })
      throw this.lost(name, error)
    } finally {
      clearTimeout(timer)
    }
    if (result.ok) return result.value
    throw toError(result.error)
  }

  /** The thread gave no answer. */
  private lost(name: string, cause: unknown): DocWorkerError {
    if (this.closed) return new DocWorkerError('closed', 'the doc workers are closing', { cause })
    const reason = cause instanceof Error ? cause.message : String(cause)
    return new DocWorkerError('crashed', `the worker died in ${name}: ${reason}`, { cause })
  }
}

function busy(): DocWorkerError {
  return new DocWorkerError('busy', 'too many tasks wait for the doc workers')
}

function toError(failure: TaskFailure): Error {
  switch (failure.kind) {
    case 'update_invalid':
      return new UpdateInvalidError(failure.message)
    case 'store':
      return new StoreError(failure.storeKind, failure.message, failure.sqlState)
    case 'worker':
      return new DocWorkerError(failure.code, failure.message)
  }
}
