import { setMaxListeners } from 'node:events'
import { availableParallelism } from 'node:os'
import { Tinypool } from 'tinypool'
import { UpdateInvalidError } from '../crdt/index.js'
import { StoreError, type StoreConnection } from '../store/types.js'
import { FairShares, FairTurns } from '../tenants/index.js'
import { workerUrl } from '../worker-url.js'
import { DocTasks, type TaskPool } from './doc-tasks.js'
import { DocWorkerError } from './errors.js'
import type { TaskFailure, TaskResult, Tasks } from './tasks.js'
import { messageOf } from '../message-of.js'

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
  /** How the tenants share that queue. Default: no shares. */
  readonly shares?: FairShares
  /** Longest run of a task from its start, in ms; past it the thread is ended, and the task fails. Default 60,000. */
  readonly timeoutMs?: number
  /** Told of a thread that died while it had no task. Default: nobody. */
  readonly onError?: (error: Error) => void
}

/** Longest start of a thread, in ms, whatever a task may take. */
const startMs = 60_000

/**
 * Shared types nested by the thousand (a hostile document) make Yjs recurse as deep when the outermost is deleted. In
 * MiB; a thread has 4 by default.
 */
const STACK_MB = 32

/**
 * Worker threads for everything that costs O(document): loading, compacting, merging, diffing (I5). Byte results are in
 * shared memory. A task that dies takes only itself along. Tenants take turns: see `of`.
 */
export class DocWorkers extends DocTasks {
  private readonly threads: Threads

  constructor(options: DocWorkersOptions) {
    const threads = new Threads(options)
    super(threads, '')
    this.threads = threads
  }

  /** The same threads for a tenant, whose tasks take turns with those of the others. */
  of(tenant: string): DocTasks {
    return new DocTasks(this.threads, tenant)
  }

  /**
   * Resolves when a thread has started, which takes a quarter of a second of a core: a server that lets clients in before has
   * all of them wait for it. @throws {DocWorkerError} when the threads cannot start
   */
  async ready(): Promise<void> {
    await this.threads.run('', 'ready', null, startMs)
  }

  /** Tasks that run or wait. */
  get pending(): number {
    return this.threads.tasks
  }

  /** Ends the threads. Tasks that run or wait reject as `closed`. */
  close(): Promise<void> {
    return this.threads.close()
  }
}

class Threads implements TaskPool {
  readonly connection: StoreConnection
  tasks = 0
  private readonly pool: Tinypool
  readonly timeoutMs: number
  private readonly turns: FairTurns
  /** Compactions can wait, and readers cannot: with two threads or more, one stays free of them. */
  private readonly compactions: FairTurns
  private readonly closing = new AbortController()

  constructor(options: DocWorkersOptions) {
    // With a single one a compaction would hold up every load and diff.
    const share = Math.floor((availableParallelism() - 1) / (options.processes ?? 1))
    const threads = options.threads ?? Math.min(4, Math.max(2, share))
    const { maxQueued = 256, shares = new FairShares(100) } = options
    this.connection = options.connection
    this.timeoutMs = options.timeoutMs ?? 60_000
    this.turns = new FairTurns(threads, shares.limit(maxQueued))
    this.compactions = new FairTurns(Math.max(1, threads - 1), shares.limit(threads + maxQueued))
    // Each task that waits listens for the end.
    setMaxListeners(0, this.closing.signal)
    this.pool = new Tinypool({
      filename: workerUrl('./doc-worker.js', import.meta.url).href,
      minThreads: threads,
      maxThreads: threads,
      // Tasks wait here, where they take turns and the rejection has a name.
      maxQueue: Infinity,
      // Waiting on Atomics would stop the thread's event loop, and with it the database connection.
      useAtomics: false,
      resourceLimits: { maxOldGenerationSizeMb: options.memoryMb ?? 1024, stackSizeMb: STACK_MB },
    })
    this.pool.on('error', (error: Error) => options.onError?.(error))
  }

  async compacting<T>(tenant: string, run: () => Promise<T>): Promise<T> {
    this.checkOpen()
    if (!(await this.compactions.begin(tenant, this.closing.signal))) {
      this.checkOpen()
      throw busy()
    }
    try {
      return await run()
    } finally {
      this.compactions.end(tenant)
    }
  }

  async close(): Promise<void> {
    if (this.closing.signal.aborted) return
    this.closing.abort()
    await this.pool.destroy()
  }

  async run<N extends keyof Tasks>(
    tenant: string,
    name: N,
    input: Tasks[N]['input'],
    timeoutMs: number,
  ): Promise<Tasks[N]['output']> {
    this.checkOpen()
    this.tasks++
    try {
      if (!(await this.turns.begin(tenant, this.closing.signal))) {
        this.checkOpen()
        throw busy()
      }
      try {
        this.checkOpen()
        return await this.runNow(name, input, timeoutMs)
      } finally {
        this.turns.end(tenant)
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
    // A task's time begins when it has a thread.
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

  private checkOpen(): void {
    if (this.closing.signal.aborted) throw closed(null)
  }

  /** The thread gave no answer. */
  private lost(name: string, cause: unknown): DocWorkerError {
    if (this.closing.signal.aborted) return closed(cause)
    const reason = messageOf(cause)
    return new DocWorkerError('crashed', `the worker died in ${name}: ${reason}`, { cause })
  }
}

function closed(cause: unknown): DocWorkerError {
  return new DocWorkerError('closed', 'the doc workers are closing', { cause })
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
