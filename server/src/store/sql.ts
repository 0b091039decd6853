import { Socket } from 'node:net'
import postgres from 'postgres'
import type { StoreConnection } from './types.js'

/** A postgres.js client whose `bigint` columns are numbers. */
export type Sql = postgres.Sql<{ bigint: number }>

/** Settings of every session of Weft, on PostgreSQL and (where they have an effect) on PGlite. */
export interface SessionSettings {
  /** Longest run of one statement in the database, in ms. */
  readonly statementTimeoutMs: number
  /** Longest wait for a room's row lock, in ms. */
  readonly lockTimeoutMs: number
}

export interface ClientOptions extends SessionSettings {
  readonly max: number
  /** In ms; covers the connection itself and the start of the session. */
  readonly connectTimeoutMs: number
  /** Closes a connection that was idle for so long, in seconds. */
  readonly idleTimeoutSeconds?: number
  /** What `pg_stat_activity` shows. */
  readonly applicationName: string
}

/** A client, and its sockets, which postgres.js itself only ever closes with the other side's consent. */
export interface Client {
  readonly sql: Sql
  /** Ends all connections at once: pending queries fail. For a server that does not answer. */
  abandon(): void
}

const types = { bigint: { to: 20, from: [20], serialize: String, parse: Number } }

/** What postgres.js hands to `socket`, an option that its types leave out. */
interface Target {
  readonly host: readonly string[]
  readonly port: readonly number[]
  /** A unix socket's path. */
  readonly path: string | false
}

type Options = postgres.Options<typeof types> & { socket: (target: Target) => Socket }

/**
 * A lazy client: it connects at its first query, and again after a lost connection.
 * This is the one place where a `bigint` of the database becomes a number (ids, seqs and epochs are below 2^53).
 */
export function openClient(connection: StoreConnection, options: ClientOptions): Client {
  const sockets = new Set<Socket>()
  let abandoned = false
  let turn = 0

  // Returns before the socket is connected, and never throws: postgres.js forgets a connection whose factory failed.
  // Its connect_timeout covers the rest.
  const dial = (target: Target): Socket => {
    const at = turn++ % target.host.length
    const host = target.host[at] ?? 'localhost'
    const port = target.port[at] ?? 5432
    const path = connection.kind === 'embedded' ? connection.socketPath : target.path
    const socket = new Socket()
    if (abandoned) return socket.destroy()
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    if (path !== false) return socket.connect(path)
    // postgres.js takes the name that the server's certificate must have from here.
    Object.assign(socket, { host, port })
    return socket.setNoDelay(true).connect({ host, port })
  }

  const common = {
    max: options.max,
    connect_timeout: options.connectTimeoutMs / 1000,
    ...(options.idleTimeoutSeconds === undefined ? {} : { idle_timeout: options.idleTimeoutSeconds }),
    // A node reconnects at once and keeps trying: callers pace their own retries.
    backoff: (attempt: number) => Math.min(0.05 * attempt, 0.5),
    // One round trip less per connection; no array types are read.
    fetch_types: false,
    types,
    // Notices such as "schema already exists" are no news.
    onnotice: () => undefined,
    socket: dial,
  }
  let sql: Sql
  if (connection.kind === 'embedded') {
    const embedded: Options = { ...common, host: 'localhost', database: 'postgres', user: 'postgres' }
    sql = postgres(embedded)
  } else {
    const real: Options = {
      ...common,
      connection: {
        application_name: options.applicationName,
        statement_timeout: options.statementTimeoutMs,
        lock_timeout: options.lockTimeoutMs,
        // A node that freezes inside a transaction must not hold a room's lock.
        idle_in_transaction_session_timeout: 2000,
        // weft_commit relies on it; a database may default to another.
        default_transaction_isolation: 'read committed',
        // The planner's choice for a handful of rows is never worth compiling.
        jit: 'off',
      },
    }
    sql = postgres(connection.url, real)
  }
  return {
    sql,
    abandon() {
      abandoned = true
      // Only destroying a socket frees it: a goodbye would wait for a server that is frozen.
      for (const socket of sockets) socket.destroy(new Error('the database did not answer in time'))
      void sql.end({ timeout: 0 })
    },
  }
}
