import { migrationsFolder } from '@weft/drizzle'
import { drizzle } from 'drizzle-orm/postgres-js'
import { readMigrationFiles } from 'drizzle-orm/migrator'
import { migrate } from 'drizzle-orm/postgres-js/migrator'
import { sqlStateOf, StoreStartError } from './errors.js'
import { openClient, type Client, type Sql } from './sql.js'
import type { StoreConnection } from './types.js'

/** Any number that no other program on the same database uses: "weft" in ASCII. */
const migrationLock = 0x77656674

/** Long enough for another node's migration of a large table; then the start fails with a sentence. */
const migrationTimeoutMs = 10 * 60_000

/** Oldest PostgreSQL that Weft is tested with. */
const minServerVersion = 140_000

/** The name of the setting that says where the database is, for messages. */
export function settingOf(connection: StoreConnection): 'DATABASE_URL' | 'DATA_DIR' {
  return connection.kind === 'postgres' ? 'DATABASE_URL' : 'DATA_DIR'
}

/** What the start should know about the server. */
export interface ServerFacts {
  /** As `server_version_num`: 150004 is 15.4. */
  readonly version: number
  readonly fsync: boolean
  readonly synchronousCommit: boolean
}

/**
 * Brings the database to this Weft's schema. Several nodes may start at once: on a real PostgreSQL an advisory lock
 * lets one migrate while the others wait; the embedded database has one process.
 * @throws {StoreStartError} when the server is too old, or the schema is newer, changed or half there
 */
export async function migrateStore(
  connection: StoreConnection,
  connectTimeoutMs = 5000,
): Promise<ServerFacts> {
  const setting = settingOf(connection)
  const { sql, abandon } = openMigrationClient(connection, connectTimeoutMs)
  try {
    const facts = await readFacts(sql)
    if (facts.version < minServerVersion) {
      throw new StoreStartError(
        `The database at ${setting} is PostgreSQL ${Math.floor(facts.version / 10_000)}: Weft needs 14 or newer.`,
      )
    }
    const real = connection.kind === 'postgres'
    if (real) await sql`select pg_advisory_lock(${migrationLock})`
    await checkHistory(sql, setting)
    await migrate(drizzle(sql), { migrationsFolder })
    // Read back: a migration table that claims what is not there would otherwise show at the first commit.
    await checkTables(sql, setting)
    if (real) await sql`select pg_advisory_unlock(${migrationLock})`
    return facts
  } catch (error) {
    throw error instanceof StoreStartError ? error : startError(error, setting)
  } finally {
    // Ending the session gives the lock back in any case.
    await sql.end({ timeout: 1 })
    abandon()
  }
}

function openMigrationClient(connection: StoreConnection, connectTimeoutMs: number): Client {
  try {
    return openClient(connection, {
      max: 1,
      connectTimeoutMs,
      statementTimeoutMs: migrationTimeoutMs,
      lockTimeoutMs: migrationTimeoutMs,
      applicationName: 'weft migrate',
    })
  } catch {
    // Neither the message nor the cause goes on: they quote the URL, which holds the password.
    throw new StoreStartError(
      'DATABASE_URL is not a PostgreSQL URL: it looks like postgres://user:password@host:5432/database, with special ' +
        'characters percent-encoded.',
    )
  }
}

async function readFacts(sql: Sql): Promise<ServerFacts> {
  const [row] = await sql<{ version: number; fsync: string; sync: string }[]>`
    select current_setting('server_version_num')::int as version, current_setting('fsync') as fsync,
      current_setting('synchronous_commit') as sync`
  return {
    version: row?.version ?? 0,
    fsync: row?.fsync === 'on',
    synchronousCommit: row?.sync !== 'off',
  }
}

async function checkHistory(sql: Sql, setting: string): Promise<void> {
  const [found] = await sql<{ there: boolean }[]>`
    select to_regclass('drizzle.__drizzle_migrations') is not null as there`
  if (found?.there !== true) return
  const known = new Map(
    readMigrationFiles({ migrationsFolder }).map((file) => [file.folderMillis, file.hash]),
  )
  const newest = Math.max(...known.keys())
  const applied = await sql<{ hash: string; created_at: number }[]>`
    select hash, created_at from drizzle.__drizzle_migrations order by created_at`
  for (const { hash, created_at: at } of applied) {
    if (known.get(at) === hash) continue
    throw new StoreStartError(
      at > newest
        ? `The database at ${setting} was written by a newer Weft: start that version, or restore an older backup.`
        : `The database at ${setting} has a schema that this Weft does not know: it was changed by hand, or belongs ` +
            'to another program.',
    )
  }
}

async function checkTables(sql: Sql, setting: string): Promise<void> {
  const [row] = await sql<{ missing: string | null }[]>`
    select string_agg(name, ', ') as missing
    from unnest(array['rooms', 'events', 'snapshots', 'quarantined_events', 'cluster', 'nodes', 'revocations']) as name
    where to_regclass(name) is null`
  const [lost] = await sql<{ functions: string | null }[]>`
    select string_agg(name, ', ') as functions
    from unnest(array['weft_commit', 'weft_append']) as name
    where to_regproc(name) is null`
  const missing = row?.missing ?? lost?.functions ?? null
  if (missing === null) return
  throw new StoreStartError(
    `The database at ${setting} is damaged: ${missing} is missing although it was migrated.`,
  )
}

/** Wraps what the driver says; its messages name hosts and users, and never hold a password. */
function startError(error: unknown, setting: string): StoreStartError {
  const message = rootMessage(error)
  const state = sqlStateOf(error instanceof Error && error.cause !== undefined ? error.cause : error)
  if (state === '42P07' || state === '42710' || state === '42723') {
    return new StoreStartError(
      `The database at ${setting} is half migrated, or holds another program's tables (${message}): ` +
        'give Weft a database of its own.',
      { cause: error },
    )
  }
  return new StoreStartError(`The database at ${setting} cannot be used: ${message}.`, { cause: error })
}

/** Drizzle wraps errors in one whose message is the whole SQL text. */
function rootMessage(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.cause instanceof Error) return rootMessage(error.cause)
  if (error instanceof AggregateError) return error.errors.map(rootMessage).join('; ')
  return error.message
}
