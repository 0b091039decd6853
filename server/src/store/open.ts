import { randomInt } from 'node:crypto'
import type { Revocation } from '../auth/index.js'
import type { RoomId, Seq } from '../ids.js'
import { asRoomId } from '../ids.js'
import { appendStatement, encodeAppend, type AppendRow } from './append.js'
import { commitStatement, decodeResults, encodeBatch, type CommitRow } from './commit.js'
import { Database } from './database.js'
import { EmbeddedPostgres, type StoreLogger } from './embedded.js'
import { assertText } from './errors.js'
import { quarantineEvent, readEventRows } from './events.js'
import { readMessageRows } from './messages.js'
import { migrateStore } from './migrate.js'
import { removeDeadNodes, removeNode, sweepOnce } from './nodes.js'
import { readRevocations, removeRevocations, revoke } from './revocations.js'
import {
  StoreError,
  type CommitEntry,
  type CommitResult,
  type Heads,
  type MessagePage,
  type MessageRange,
  type RevocationPage,
  type RoomLife,
  type RoomRow,
  type Store,
  type StoreConnection,
  type StoredEvent,
  type Swept,
} from './types.js'

export interface StoreOptions {
  /** `postgres://...`; without it the store is the embedded database in `dataDir`. */
  readonly databaseUrl?: string | undefined
  /** Where the embedded database lives. Made if missing. Not used with a `databaseUrl`. */
  readonly dataDir: string
  readonly logger: StoreLogger
  /** Longest time for a connection to be ready, in ms. Default 5000. */
  readonly connectTimeoutMs?: number
  /** Longest run of a statement in the database, in ms. Default 5000. */
  readonly statementTimeoutMs?: number
  /**
   * Longest wait of a caller, in ms; past it the connections are given up. Default 8000, and 30000 for the
   * embedded database, which runs one query at a time.
   */
  readonly queryTimeoutMs?: number
  /** Connections for reads, on a real PostgreSQL. Default 4. Commits have one of their own besides. */
  readonly readConnections?: number
}

/** What a read on the main thread brings at most: the driver takes about 20 ms for a MiB (I5). */
const maxPageBytes = 1024 * 1024

/** Longest wait for a room's row lock, in ms: another node's batch holds it for a few. */
const lockTimeoutMs = 2000

/**
 * Opens the store: connects, or starts the embedded database, and migrates it.
 * @throws {StoreStartError} with a sentence that names DATABASE_URL or DATA_DIR
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  const connectTimeoutMs = options.connectTimeoutMs ?? 5000
  const embedded =
    options.databaseUrl === undefined ? await EmbeddedPostgres.start(options.dataDir, options.logger) : null
  const connection: StoreConnection = embedded?.connection ?? {
    kind: 'postgres',
    url: options.databaseUrl ?? '',
  }
  try {
    const facts = await migrateStore(connection, connectTimeoutMs)
    if (embedded === null) warnOfLoss(facts, options.logger)
  } catch (error) {
    await embedded?.close()
    throw error
  }
  const session = {
    connectTimeoutMs,
    statementTimeoutMs: options.statementTimeoutMs ?? 5000,
    lockTimeoutMs,
  }
  const queryTimeoutMs = options.queryTimeoutMs ?? (embedded === null ? 8000 : 30_000)
  if (embedded !== null) {
    const only = new Database(
      connection,
      { ...session, max: 1, applicationName: 'weft' },
      queryTimeoutMs,
      () => embedded.kick(),
    )
    return new SqlStore(connection, only, only, () => embedded.close())
  }
  // postgres.js queues queries behind each other on a busy connection: a commit must not wait behind a long read.
  const commits = new Database(
    connection,
    { ...session, max: 1, applicationName: 'weft commit' },
    queryTimeoutMs,
  )
  const reads = new Database(
    connection,
    { ...session, max: options.readConnections ?? 4, applicationName: 'weft' },
    queryTimeoutMs,
  )
  return new SqlStore(connection, commits, reads, () => Promise.resolve())
}

function warnOfLoss(facts: { fsync: boolean; synchronousCommit: boolean }, log: StoreLogger): void {
  if (!facts.fsync) {
    log.warn(
      'fsync is off on the PostgreSQL at DATABASE_URL: a power cut can destroy it, acknowledged changes included',
    )
  }
  if (!facts.synchronousCommit) {
    log.warn(
      'synchronous_commit is off on the PostgreSQL at DATABASE_URL: a crash of it loses acknowledged changes',
    )
  }
}

class SqlStore implements Store {
  readonly connection: StoreConnection
  readonly #commits: Database
  readonly #reads: Database
  readonly #onClose: () => Promise<void>

  constructor(connection: StoreConnection, commits: Database, reads: Database, onClose: () => Promise<void>) {
    this.connection = connection
    this.#commits = commits
    this.#reads = reads
    this.#onClose = onClose
  }

  async commit(entries: readonly CommitEntry[]): Promise<CommitResult[]> {
    if (entries.length === 0) return []
    const append = encodeAppend(entries)
    if (append !== null) {
      const rows = await this.#commits.query((sql) =>
        sql.unsafe<AppendRow[]>(appendStatement, append.parameters, { prepare: true }),
      )
      return append.results(rows[0])
    }
    const parameters = encodeBatch(entries)
    const rows = await this.#commits.query((sql) =>
      sql.unsafe<CommitRow[]>(commitStatement, parameters, { prepare: true }),
    )
    return decodeResults(rows[0], entries.length)
  }

  async openRoom(tenant: string, name: string): Promise<RoomRow> {
    assertText('a tenant', tenant)
    assertText('a room name', name)
    const epoch = randomInt(1, 2 ** 48 - 1)
    // The loser of a race to make the room inserts nothing, and cannot see the winner's row in the same statement.
    for (let attempt = 0; attempt < 5; attempt++) {
      const [row] = await this.#reads.query(
        (sql) => sql<{ id: number; epoch: number; head_seq: number }[]>`
          with found as (
            select id, epoch, head_seq from rooms
            where tenant = ${tenant} and name = ${name} and deleted_at is null
          ), made as (
            insert into rooms (tenant, name, epoch)
            select ${tenant}::text, ${name}::text, ${epoch}::bigint where not exists (select 1 from found)
            on conflict (tenant, name) where deleted_at is null do nothing
            returning id, epoch, head_seq
          )
          select * from found union all select * from made`,
      )
      if (row !== undefined) return { id: asRoomId(row.id), epoch: row.epoch, headSeq: row.head_seq }
    }
    throw new StoreError('transient', 'a room was made and deleted again and again while it was opened', null)
  }

  async deleteRoom(tenant: string, name: string): Promise<RoomId | null> {
    assertText('a tenant', tenant)
    assertText('a room name', name)
    const [row] = await this.#reads.query(
      (sql) => sql<{ id: number }[]>`
        update rooms set deleted_at = now()
        where tenant = ${tenant} and name = ${name} and deleted_at is null
        returning id`,
    )
    return row === undefined ? null : asRoomId(row.id)
  }

  readEvents(roomId: RoomId, after: Seq, upTo: Seq, limit: number): Promise<StoredEvent[]> {
    return this.#reads.query((sql) => readEventRows(sql, roomId, after, upTo, limit, maxPageBytes))
  }

  readMessages(room: RoomLife, range: MessageRange): Promise<MessagePage | null> {
    return this.#reads.query((sql) => readMessageRows(sql, room, range))
  }

  async heads(roomIds: readonly RoomId[]): Promise<Heads> {
    if (roomIds.length === 0) return new Map()
    const ids = `{${roomIds.join(',')}}`
    // A join, not `id = any (...)`: for a table without statistics (a new one, or any of the embedded store) PostgreSQL may
    // scan it, and then reads the array from its text again for every row: 2 s for 5,000 rooms, against 10 ms.
    const rows = await this.#reads.query(
      (sql) => sql<{ id: number; head_seq: number; epoch: number }[]>`
        select id, head_seq, epoch from unnest(${ids}::text::bigint[]) as wanted (room) join rooms on id = room
        where deleted_at is null`,
    )
    return new Map(rows.map((row) => [asRoomId(row.id), { headSeq: row.head_seq, epoch: row.epoch }]))
  }

  sweep(node: string, leaseMs: number, roomIds: readonly RoomId[]): Promise<Swept> {
    return this.#reads.query((sql) => sweepOnce(sql, node, leaseMs, roomIds))
  }

  removeNode(node: string): Promise<void> {
    return this.#reads.query((sql) => removeNode(sql, node))
  }

  removeDeadNodes(deadForMs: number): Promise<void> {
    return this.#reads.query((sql) => removeDeadNodes(sql, deadForMs))
  }

  revoke(revocation: Revocation): Promise<void> {
    return this.#reads.query((sql) => revoke(sql, revocation))
  }

  revocations(since: string | null, lookbackMs: number): Promise<RevocationPage> {
    return this.#reads.query((sql) => readRevocations(sql, since, lookbackMs))
  }

  removeRevocations(before: number): Promise<void> {
    return this.#reads.query((sql) => removeRevocations(sql, before))
  }

  async quarantine(event: { roomId: RoomId; payload: Uint8Array; reason: string }): Promise<void> {
    await this.#reads.query((sql) => quarantineEvent(sql, { ...event, seq: null }))
  }

  async clusterId(): Promise<string> {
    const [row] = await this.#reads.query((sql) => sql<{ id: string }[]>`select id from cluster`)
    if (row === undefined) throw new StoreError('rejected', 'the table cluster is empty', null)
    return row.id
  }

  async ping(): Promise<void> {
    await this.#reads.query((sql) => sql`select 1`)
  }

  async close(): Promise<void> {
    await Promise.all([this.#commits.close(), this.#reads.close()])
    await this.#onClose()
  }
}
