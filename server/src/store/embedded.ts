import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { workerUrl } from '../worker-url.js'
import type { EmbeddedWorkerData, EmbeddedWorkerMessage } from './embedded-worker.js'
import { StoreStartError } from './errors.js'
import { initDatabase } from './initdb.js'
import { lockDataDir, type DataDirLock } from './lock-file.js'
import type { StoreConnection } from './types.js'
import { messageOf } from '../message-of.js'

/** Where the store reports what its callers cannot see. The pino logger of the server fits. */
export interface StoreLogger {
  info(message: string): void
  warn(message: string): void
  error(message: string): void
}

/** The database's folder in DATA_DIR. */
const databaseDir = 'pg'

/** Recovery after a kill takes a second or two; slow disks and CPUs take longer. */
const startTimeoutMs = 60_000
const closeTimeoutMs = 10_000
const firstRestartDelayMs = 100
const maxRestartDelayMs = 10_000

/** A unix socket's path may have 107 bytes on Linux, and 103 on macOS. */
const maxSocketPathBytes = 103

/**
 * The embedded database: PGlite in a worker thread, on a unix socket in a private folder.
 * When its thread dies it is started again, on the same socket: to its clients that is a lost connection.
 */
export class EmbeddedPostgres {
  readonly connection: StoreConnection & { readonly kind: 'embedded' }
  readonly #dataDir: string
  readonly #socketDir: string
  readonly #lock: DataDirLock
  readonly #log: StoreLogger
  #worker: Worker | null = null
  #serving = false
  #restart: NodeJS.Timeout | null = null
  #restartDelayMs = firstRestartDelayMs
  #closing = false

  private constructor(dataDir: string, socketDir: string, lock: DataDirLock, log: StoreLogger) {
    this.#dataDir = dataDir
    this.#socketDir = socketDir
    this.#lock = lock
    this.#log = log
    this.connection = { kind: 'embedded', socketPath: join(socketDir, 'pg') }
  }

  /**
   * @param dataDir the folder for everything that Weft keeps; the database goes to {@link databaseDir} in it
   * @throws {StoreStartError} when another process uses it, or the database in it cannot be opened
   */
  static async start(dataDir: string, log: StoreLogger): Promise<EmbeddedPostgres> {
    try {
      await mkdir(dataDir, { recursive: true, mode: 0o700 })
    } catch (error) {
      throw new StoreStartError(`DATA_DIR ${dataDir} cannot be made: ${String(error)}.`, { cause: error })
    }
    const lock = await lockDataDir(dataDir)
    let socketDir: string | null = null
    try {
      await initDatabase(dataDir, databaseDir).catch((error: unknown) => {
        throw new StoreStartError(
          `The embedded database cannot be made in DATA_DIR ${dataDir} (${messageOf(error)}): it needs 40 MB there, ` +
            'and to be allowed to write.',
          { cause: error },
        )
      })
      socketDir = await privateDir()
      const embedded = new EmbeddedPostgres(dataDir, socketDir, lock, log)
      await embedded.#launch()
      return embedded
    } catch (error) {
      if (socketDir !== null) await rm(socketDir, { recursive: true, force: true })
      lock.release()
      throw error
    }
  }

  /** For a database that does not answer: ends its thread; a new one recovers as after a kill -9. */
  kick(): void {
    // One that is just starting is no more than slow: killing it again would keep it from ever being ready.
    if (!this.#serving) return
    this.#serving = false
    this.#log.error('the embedded database does not answer: starting it again')
    void this.#worker?.terminate()
  }

  async close(): Promise<void> {
    if (this.#closing) return
    this.#closing = true
    if (this.#restart !== null) clearTimeout(this.#restart)
    const worker = this.#worker
    if (worker !== null) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, closeTimeoutMs)
        worker.once('exit', () => {
          clearTimeout(timer)
          resolve()
        })
        worker.postMessage('close')
      })
      await worker.terminate()
    }
    await rm(this.#socketDir, { recursive: true, force: true })
    this.#lock.release()
  }

  async #launch(): Promise<void> {
    // The socket file of a thread that died.
    await rm(this.connection.socketPath, { force: true })
    const data: EmbeddedWorkerData = {
      dataDir: join(this.#dataDir, databaseDir),
      socketPath: this.connection.socketPath,
    }
    const worker = new Worker(workerUrl('./embedded-worker.js', import.meta.url), {
      workerData: data,
      name: 'weft embedded database',
      // Flags for this process (--input-type, --inspect) are not for the thread, and some stop it.
      execArgv: [],
    })
    this.#worker = worker
    let reason = 'it ended'
    worker.on('error', (error) => (reason = String(error)))
    worker.on('message', (message: EmbeddedWorkerMessage) => {
      if (message.kind === 'failed') reason = message.reason
    })
    await new Promise<void>((resolve, reject) => {
      const fail = (why: string): void => {
        clearTimeout(timer)
        reject(
          new StoreStartError(
            `The embedded database in DATA_DIR ${this.#dataDir} cannot be opened (${why}): restore a backup, ` +
              'or start with an empty DATA_DIR.',
          ),
        )
      }
      const timer = setTimeout(() => {
        worker.off('exit', exited)
        void worker.terminate()
        fail(`no answer within ${startTimeoutMs} ms`)
      }, startTimeoutMs)
      const exited = (): void => fail(reason)
      worker.once('exit', exited)
      worker.on('message', (message: EmbeddedWorkerMessage) => {
        if (message.kind !== 'listening') return
        clearTimeout(timer)
        worker.off('exit', exited)
        worker.once('exit', () => this.#ended(reason))
        this.#restartDelayMs = firstRestartDelayMs
        this.#serving = true
        resolve()
      })
    })
  }

  #ended(reason: string): void {
    this.#serving = false
    if (this.#closing) return
    this.#log.error(
      `the embedded database stopped (${reason}): starting it again in ${this.#restartDelayMs} ms`,
    )
    this.#restart = setTimeout(() => {
      this.#launch().then(
        () => {
          this.#log.info('the embedded database runs again')
          if (this.#closing) void this.#worker?.terminate()
        },
        (error: unknown) => this.#ended(String(error)),
      )
    }, this.#restartDelayMs)
    this.#restartDelayMs = Math.min(this.#restartDelayMs * 2, maxRestartDelayMs)
  }
}

async function privateDir(): Promise<string> {
  const base = tmpdir()
  const tooLong = Buffer.byteLength(join(base, 'weft-XXXXXX', 'pg')) > maxSocketPathBytes
  // mkdtemp makes it 0700: whoever can reach the socket owns the database.
  return mkdtemp(join(tooLong ? '/tmp' : base, 'weft-'))
}
