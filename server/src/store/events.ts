import type { RoomId, Seq } from '../ids.js'
import type { Sql } from './sql.js'
import type { StoredEvent } from './types.js'

interface EventRow {
  readonly seq: number
  readonly kind: number
  readonly author: string | null
  readonly client_id: string | null
  readonly client_seq: number | null
  readonly name: string | null
  readonly payload: Buffer
  readonly created_ms: number
}

/**
 * Events `after < seq <= upTo` of a room in order, at most `limit` of them, and no more once they are `maxBytes` together.
 * For the main thread and for workers: runs on any client of `openClient`.
 */
export async function readEventRows(
  sql: Sql,
  roomId: RoomId,
  after: Seq,
  upTo: Seq,
  limit: number,
  maxBytes = Number.MAX_SAFE_INTEGER,
): Promise<StoredEvent[]> {
  // The length of a payload is known without reading it (it is stored as it is), so the sum costs little.
  const rows = await sql<EventRow[]>`
    select seq, kind, author, client_id, client_seq, name, payload, created_ms
    from (
      select page.*, sum(octet_length(payload)) over (order by seq) - octet_length(payload) as bytes_before
      from (
        select seq, kind, author, client_id, client_seq, name, payload,
          floor(extract(epoch from created_at) * 1000)::float8 as created_ms
        from events
        where room_id = ${roomId} and seq > ${after} and seq <= ${upTo}
        order by seq
        limit ${limit}
      ) page
    ) measured
    where bytes_before < ${maxBytes}
    order by seq`
  return rows.map((row) => ({
    seq: row.seq,
    kind: row.kind === 1 ? 'message' : 'update',
    author: row.author,
    clientId: row.client_id === null ? null : row.client_id.replaceAll('-', ''),
    clientSeq: row.client_seq,
    name: row.name,
    payload: row.payload,
    createdAt: row.created_ms,
  }))
}

/** An event that cannot be stored (`seq` null), or that is stored as `seq` and cannot be applied. */
export interface QuarantinedEvent {
  readonly roomId: RoomId
  readonly seq: Seq | null
  readonly payload: Uint8Array
  readonly reason: string
}

/**
 * Keeps an event for a person to look at. The log keeps a stored one too: seqs stay dense.
 * The same (room, seq) again changes nothing.
 */
export async function quarantineEvent(sql: Sql, event: QuarantinedEvent): Promise<void> {
  const reason = event.reason.replaceAll('\0', '')
  await sql`
    insert into quarantined_events (room_id, seq, payload, reason)
    values (${event.roomId}, ${event.seq}, decode(${base64(event.payload)}::text, 'base64'), ${reason})
    on conflict (room_id, seq) where seq is not null do nothing`
}

/** For `decode(text, 'base64')`: see `commitStatement`. */
export function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}
