import { toStoreError } from './errors.js'
import { openClient, type Client, type ClientOptions, type Sql } from './sql.js'
import { StoreError, type StoreConnection } from './types.js'

/**
 * A client that can be relied upon to answer: every query ends within a time, and what follows starts on new
 * connections when one did not.
 */
export class Database {
  readonly #connection: StoreConnection
  readonly #options: ClientOptions
  readonly #timeoutMs: number
  readonly #onStuck: (() => void) | null
  #client: Client
  #closed = false

  /**
   * @param timeoutMs longest wait of a caller for one query, its wait for a connection included
   * @param onStuck called when a query had no answer in time
   */
  constructor(
    connection: StoreConnection,
    options: ClientOptions,
    timeoutMs: number,
    onStuck: (() => void) | null = null,
  ) {
    this.#connection = connection
    this.#options = options
    this.#timeoutMs = timeoutMs
    this.#onStuck = onStuck
    this.#client = openClient(connection, options)
  }

  /** @throws {StoreError} */
  async query<T>(run: (sql: Sql) => PromiseLike<T>): Promise<T> {
    if (this.#closed) throw new StoreError('transient', 'the store is closed', null)
    const client = this.#client
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(new StoreError('transient', `the database did not answer within ${this.#timeoutMs} ms`, null))
        this.#renew(client)
      }, this.#timeoutMs)
    })
    try {
      return await Promise.race([run(client.sql), late])
    } catch (error) {
      throw toStoreError(error)
    } finally {
      clearTimeout(timer)
    }
  }

  /** Waits for the running queries, at most for the query timeout, and disconnects. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    const client = this.#client
    await client.sql.end({ timeout: this.#timeoutMs / 1000 })
    client.abandon()
  }

  /** A query's connection cannot be told from outside, and its neighbours wait for the same server: all go. */
  #renew(stuck: Client): void {
    if (this.#closed || this.#client !== stuck) return
    this.#client = openClient(this.#connection, this.#options)
    stuck.abandon()
    this.#onStuck?.()
  }
}
