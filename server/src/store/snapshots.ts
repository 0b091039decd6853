import { randomInt } from 'node:crypto'
import { maxSnapshotPartBytes } from '@weft/drizzle/limits'
import type { RoomId, Seq } from '../ids.js'
import { base64 } from './events.js'
import { openClient, type Sql } from './sql.js'
import { StoreError, type StoreConnection } from './types.js'

/** A merged state of a room: what the events up to `seq` come to. */
export interface Snapshot {
  readonly seq: Seq
  /** A Yjs update, v1 encoding. */
  readonly state: Uint8Array
  readonly stateVector: Uint8Array
}

/** Snapshots of a room that are kept: the newest, and the one that a reader may be in the middle of. */
const keptSnapshots = 2

/** A pruned snapshot is found missing while it is read only when two newer ones were written meanwhile. */
const readAttempts = 3

/**
 * The client of a worker thread: one connection, opened at the first query, closed after 30 s without one. End it
 * with `sql.end()`.
 */
export function connectWorker(connection: StoreConnection): Sql {
  return openClient(connection, {
    max: 1,
    connectTimeoutMs: 5000,
    idleTimeoutSeconds: 30,
    statementTimeoutMs: 30_000,
    lockTimeoutMs: 2000,
    applicationName: 'weft worker',
  }).sql
}

/**
 * The room's newest snapshot, read part by part, or null when it has none.
 * @throws {StoreError} transient, when it is pruned again and again while it is read; otherwise errors of postgres.js
 */
export async function readLatestSnapshot(sql: Sql, roomId: RoomId): Promise<Snapshot | null> {
  for (let attempt = 0; attempt < readAttempts; attempt++) {
    const parts = await sql<{ seq: number; bytes: number; state_vector: Buffer | null }[]>`
      select seq, octet_length(state) as bytes, state_vector
      from snapshots
      where room_id = ${roomId} and seq = (select max(seq) from snapshots where room_id = ${roomId} and seq >= 0)
      order by part`
    const first = parts[0]
    if (first === undefined) return null
    const state = new Uint8Array(parts.reduce((sum, part) => sum + part.bytes, 0))
    let at = 0
    let whole = true
    for (const [part, { bytes }] of parts.entries()) {
      const rows = await sql<{ state: Buffer }[]>`
        select state from snapshots where room_id = ${roomId} and seq = ${first.seq} and part = ${part}`
      const row = rows[0]
      if (row?.state.length !== bytes) {
        whole = false
        break
      }
      state.set(row.state, at)
      at += bytes
    }
    if (whole) return { seq: first.seq, state, stateVector: new Uint8Array(first.state_vector ?? []) }
  }
  throw new StoreError('transient', `the snapshot of room ${roomId} was replaced while it was read`, null)
}

/** The seqs of the room's snapshots, newest first. */
export async function readSnapshotSeqs(sql: Sql, roomId: RoomId): Promise<Seq[]> {
  const rows = await sql<{ seq: number }[]>`
    select seq from snapshots where room_id = ${roomId} and seq >= 0 and part = 0 order by seq desc`
  return rows.map((row) => row.seq)
}

/**
 * Adds a snapshot of the room at `seq`, and deletes all but its newest two. Append-only and idempotent: any node may
 * write it, again, or at the same moment; the first one stays.
 *
 * It appears as a whole or not at all, without a transaction (which, on the embedded database, would span the
 * other connections): see `snapshots` in the schema.
 * @returns `fenced` when the room has another epoch or is gone; nothing is written then
 * @throws errors of postgres.js
 */
export async function writeSnapshot(
  sql: Sql,
  roomId: RoomId,
  epoch: number,
  seq: Seq,
  state: Uint8Array,
  stateVector: Uint8Array,
): Promise<'written' | 'exists' | 'fenced'> {
  const rooms = await sql<{ taken: boolean }[]>`
    select exists (select 1 from snapshots where room_id = ${roomId} and seq = ${seq}) as taken
    from rooms where id = ${roomId} and epoch = ${epoch} and deleted_at is null`
  const room = rooms[0]
  if (room === undefined) return 'fenced'
  if (room.taken) return 'exists'

  const draft = -randomInt(1, 2 ** 47)
  const parts = Math.max(1, Math.ceil(state.length / maxSnapshotPartBytes))
  try {
    for (let part = 0; part < parts; part++) {
      const bytes = state.subarray(part * maxSnapshotPartBytes, (part + 1) * maxSnapshotPartBytes)
      const vector = part === 0 ? base64(stateVector) : null
      await sql`
        insert into snapshots (room_id, seq, part, state, state_vector)
        values (${roomId}, ${draft}, ${part}, decode(${base64(bytes)}::text, 'base64'),
          decode(${vector}::text, 'base64'))`
    }
    // The parts' bytes stay where they are: an update of other columns copies pointers only.
    const published = await sql<{ count: number }[]>`
      with published as (
        update snapshots set seq = ${seq}
        where room_id = ${roomId} and seq = ${draft}
          and not exists (select 1 from snapshots s where s.room_id = ${roomId} and s.seq = ${seq})
          and exists (
            select 1 from rooms r where r.id = ${roomId} and r.epoch = ${epoch} and r.deleted_at is null for share)
        returning 1
      ) select count(*)::int as count from published`
    if (published[0]?.count === parts) {
      await prune(sql, roomId)
      return 'written'
    }
  } catch (error) {
    // Another node published the same seq between the check and the update: its parts hold the same document.
    if (!isUniqueViolation(error)) throw error
  }
  await sql`delete from snapshots where room_id = ${roomId} and seq = ${draft}`
  return (await readSnapshotSeqs(sql, roomId)).includes(seq) ? 'exists' : 'fenced'
}

/** Deletes older snapshots, and drafts whose writer died. */
async function prune(sql: Sql, roomId: RoomId): Promise<void> {
  await sql`
    delete from snapshots where room_id = ${roomId} and (
      (seq >= 0 and seq < (
        select min(seq) from (
          select seq from snapshots where room_id = ${roomId} and seq >= 0 and part = 0
          order by seq desc limit ${keptSnapshots}
        ) kept))
      or (seq < 0 and created_at < now() - interval '1 hour'))`
}

function isUniqueViolation(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === '23505'
}
