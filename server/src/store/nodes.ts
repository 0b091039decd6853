/*
 * The nodes' rows: each says until when its node is alive unless it renews it, on the database's clock. One query renews a
 * node's own row, reads those of the others, and asks for the heads of its open rooms: the whole of a sweep.
 */
import { asRoomId, type RoomId } from '../ids.js'
import type { Sql } from './sql.js'
import type { Swept } from './types.js'

interface SweptRow {
  /** Null for a room. */
  readonly node: string | null
  /** Milliseconds since 1970; of the node itself: now. */
  readonly until_ms: number | null
  readonly room: number | null
  readonly head_seq: number | null
  readonly epoch: number | null
}

/** See `Store.sweep`. */
export async function sweepOnce(
  sql: Sql,
  node: string,
  leaseMs: number,
  roomIds: readonly RoomId[],
): Promise<Swept> {
  const ids = `{${roomIds.join(',')}}`
  // What `renewed` writes is not seen by the rest of the statement: the node's own row comes from `renewed` alone.
  const rows = await sql<SweptRow[]>`
    with renewed as (
      insert into nodes (id, alive_until)
      values (${node}, clock_timestamp() + ${leaseMs}::int * interval '1 ms')
      on conflict (id) do update set alive_until = excluded.alive_until
      returning id, alive_until - ${leaseMs}::int * interval '1 ms' as now
    )
    select id as node, extract(epoch from now)::float8 * 1000 as until_ms,
      null::bigint as room, null::bigint as head_seq, null::bigint as epoch
    from renewed
    union all
    select id, extract(epoch from alive_until)::float8 * 1000, null, null, null from nodes where id <> ${node}
    union all
    select null, null, rooms.id, head_seq, epoch
    from unnest(${ids}::text::bigint[]) as wanted (room) join rooms on rooms.id = wanted.room
    where deleted_at is null`
  const heads: Swept['heads'] = new Map()
  const aliveUntil = new Map<string, number>()
  let now = 0
  for (const { node: id, until_ms: until, room, head_seq: headSeq, epoch } of rows) {
    if (room !== null) heads.set(asRoomId(room), { headSeq: headSeq ?? 0, epoch: epoch ?? 0 })
    else if (id === node) now = until ?? 0
    else if (id !== null) aliveUntil.set(id, until ?? 0)
  }
  return { heads, now, aliveUntil }
}

/** See `Store.removeNode`. */
export async function removeNode(sql: Sql, node: string): Promise<void> {
  await sql`delete from nodes where id = ${node}`
}

/** See `Store.removeDeadNodes`. */
export async function removeDeadNodes(sql: Sql, deadForMs: number): Promise<void> {
  // Never waits: another node may remove the same rows, or a dead one renew its own.
  await sql`
    delete from nodes where id in (
      select id from nodes where alive_until < clock_timestamp() - ${deadForMs}::int * interval '1 ms'
      for update skip locked
    )`
}
