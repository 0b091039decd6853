import { createServer, type Server, type Socket } from 'node:net'
import {
  closeStatement,
  frontend,
  FrameReader,
  rollbackMessage,
  statementName,
  syncMessage,
  welcome,
} from './wire.js'

/** What this server needs of PGlite: one session, which runs protocol messages. */
export interface Session {
  /** Runs whole messages one after the other; the answer comes in chunks, before it resolves. */
  exec(messages: Uint8Array, onData: (data: Uint8Array) => void): Promise<void>
  /** Whether a transaction block is open. */
  inTransaction(): boolean
}

/** Connections of one process: the store's own, its migration, and the doc workers'. */
export const maxEmbeddedConnections = 32

/** A client that leaves the session in the middle of a query for so long loses its connection, in ms. */
const holdTimeoutMs = 10_000

/**
 * Serves one PostgreSQL session to several clients.
 *
 * They share all of it, so a client holds the session from its first message until it is done: its Sync (or simple
 * query) was answered and no transaction is open. Without that, the messages of two clients mix: after a failed Parse
 * the session drops everything up to the next Sync, another client's query included, and that client waits for an
 * answer forever. (So it was with `@electric-sql/pglite-socket` 0.2.17, which hands over after every message: two
 * clients, one of them with failing queries, hung at once.)
 */
export class SharedSessionServer {
  readonly #session: Session
  readonly #onBroken: (error: unknown) => void
  readonly #server: Server
  readonly #clients = new Set<SharedClient>()
  /** Clients with messages that wait for their turn, first come first served. */
  readonly #waiting = new Set<SharedClient>()
  #holder: SharedClient | null = null
  #holdTimer: NodeJS.Timeout | null = null
  #running: Promise<void> | null = null

  /** @param onBroken called once when the session itself failed; nothing is served after it */
  constructor(session: Session, onBroken: (error: unknown) => void) {
    this.#session = session
    this.#onBroken = onBroken
    this.#server = createServer((socket) => this.#accept(socket))
    this.#server.maxConnections = maxEmbeddedConnections
  }

  /** @param path of the unix socket */
  listen(path: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(path, () => {
        this.#server.off('error', reject)
        resolve()
      })
    })
  }

  /** Disconnects all clients and waits for the running message. */
  async close(): Promise<void> {
    this.#server.close()
    for (const client of this.#clients) client.socket.destroy()
    this.#waiting.clear()
    await this.#running
  }

  #accept(socket: Socket): void {
    const client = new SharedClient(socket)
    this.#clients.add(client)
    socket.on('data', (chunk) => {
      if (client.receive(chunk)) this.#wait(client)
    })
    // A failed socket closes; there is nobody left to tell.
    socket.on('error', () => undefined)
    socket.on('close', () => {
      this.#clients.delete(client)
      client.leave()
      if (client.hasTraces || this.#holder === client) this.#wait(client)
      else this.#waiting.delete(client)
    })
  }

  #wait(client: SharedClient): void {
    this.#waiting.add(client)
    this.#running ??= this.#run().finally(() => {
      this.#running = null
    })
  }

  async #run(): Promise<void> {
    try {
      for (;;) {
        const client = this.#next()
        if (client === undefined) return
        await this.#serve(client)
        // Let the sockets be read and written between turns.
        await new Promise((resolve) => setImmediate(resolve))
      }
    } catch (error) {
      this.#server.close()
      for (const client of this.#clients) client.socket.destroy()
      this.#onBroken(error)
    }
  }

  #next(): SharedClient | undefined {
    if (this.#holder !== null) return this.#waiting.has(this.#holder) ? this.#holder : undefined
    const [first] = this.#waiting
    return first
  }

  async #serve(client: SharedClient): Promise<void> {
    this.#waiting.delete(client)
    if (this.#holdTimer !== null) clearTimeout(this.#holdTimer)
    this.#holdTimer = null
    if (client.gone) {
      const wasHolder = this.#holder === client
      this.#holder = null
      await this.#forget(client, wasHolder)
      return
    }
    const turn = client.takeTurn()
    const answer: Buffer[] = []
    await this.#session.exec(turn.bytes, (data) => answer.push(Buffer.from(data)))
    client.socket.write(Buffer.concat(answer))
    if (turn.complete && !this.#session.inTransaction()) {
      this.#holder = null
    } else {
      this.#holder = client
      this.#holdTimer = setTimeout(() => client.socket.destroy(), holdTimeoutMs)
    }
    if (client.hasWork) this.#waiting.add(client)
  }

  /** A client that disconnected leaves nothing behind: no open transaction, no statement, no error state. */
  async #forget(client: SharedClient, wasHolder: boolean): Promise<void> {
    const ignore = (): void => undefined
    if (wasHolder) {
      await this.#session.exec(syncMessage, ignore)
      if (this.#session.inTransaction()) await this.#session.exec(rollbackMessage, ignore)
    }
    const closes = [...client.statements].map(closeStatement)
    client.statements.clear()
    if (closes.length > 0) await this.#session.exec(Buffer.concat([...closes, syncMessage]), ignore)
  }
}

class SharedClient {
  readonly socket: Socket
  /** Prepared statements made by this client. */
  readonly statements = new Set<string>()
  gone = false
  readonly #reader = new FrameReader()
  #messages: { readonly type: number; readonly bytes: Buffer }[] = []

  constructor(socket: Socket) {
    this.socket = socket
  }

  get hasMessages(): boolean {
    return this.#messages.length > 0
  }

  /** Something to run, or to clean up: it may have left while its turn ran. */
  get hasWork(): boolean {
    return this.gone || this.hasMessages
  }

  get hasTraces(): boolean {
    return this.statements.size > 0
  }

  /** @returns whether there is something to run */
  receive(chunk: Buffer): boolean {
    for (const frame of this.#reader.push(chunk)) {
      switch (frame.kind) {
        case 'startup':
          this.socket.write(welcome)
          break
        case 'encryption':
          this.socket.write('N')
          break
        case 'cancel':
        case 'unknown':
          this.socket.destroy()
          return false
        case 'message':
          if (frame.type === frontend.terminate) {
            this.socket.end()
            break
          }
          if (frame.type === frontend.parse) this.statements.add(statementName(frame.bytes))
          this.#messages.push(frame)
          break
      }
    }
    return this.hasMessages
  }

  /** The messages up to the first that ends a query, or all there are. */
  takeTurn(): { readonly bytes: Uint8Array; readonly complete: boolean } {
    const end = this.#messages.findIndex(({ type }) => type === frontend.sync || type === frontend.query)
    const turn = this.#messages.splice(0, end < 0 ? this.#messages.length : end + 1)
    return { bytes: Buffer.concat(turn.map(({ bytes }) => bytes)), complete: end >= 0 }
  }

  leave(): void {
    this.gone = true
    this.#messages = []
  }
}
