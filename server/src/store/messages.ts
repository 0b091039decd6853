import type { Seq } from '../ids.js'
import type { Sql } from './sql.js'
import type { MessagePage, MessageRange, RoomLife, StoredEvent } from './types.js'

interface MessageRow {
  /** Null in the one row of a room where nothing matches. */
  readonly seq: number | null
  readonly author: string | null
  readonly client_id: string | null
  readonly client_seq: number | null
  readonly name: string
  readonly payload: Buffer
  readonly created_ms: number
  /** Matching messages, at most one more than the limit. */
  readonly found: number
}

/** Bytes of a message on the wire beside its texts and its payload, at most. */
const messageOverhead = 64

/**
 * One page of a room's messages: see `Store.readMessages`. One range of the index `events_messages`, however many updates
 * lie between the messages.
 */
export async function readMessageRows(
  sql: Sql,
  room: RoomLife,
  range: MessageRange,
): Promise<MessagePage | null> {
  const rows = await messageQuery(sql, room, range)
  const [first] = rows
  if (first === undefined) return null
  const messages = rows.flatMap((row) => (row.seq === null ? [] : [messageOf(row, row.seq)]))
  return { messages, more: first.seq !== null && first.found > messages.length }
}

/** The statement of `readMessageRows`. */
export const messageQuery = (sql: Sql, room: RoomLife, { after, before, limit, maxBytes }: MessageRange) => {
  const newestFirst = after === null
  const order = newestFirst ? sql`desc` : sql`asc`
  // The room comes first: no row at all says that it is gone.
  return sql<MessageRow[]>`
    select page.*
    from rooms
    left join lateral (
      select seq, author, client_id, client_seq, name, payload, created_ms, found
      from (
        select matching.*,
          row_number() over (order by seq ${order}) as place,
          sum(bytes) over (order by seq ${order}) as bytes_up_to,
          count(*) over ()::int as found
        from (
          select seq, author, client_id, client_seq, name, payload,
            floor(extract(epoch from created_at) * 1000)::float8 as created_ms,
            octet_length(payload) + octet_length(name) + coalesce(octet_length(author), 0) + ${messageOverhead} as bytes
          from events
          where room_id = ${room.id} and kind = 1
            and seq > ${after ?? 0} and seq < ${before ?? Number.MAX_SAFE_INTEGER}
          order by seq ${order}
          limit ${limit + 1}
        ) matching
      ) measured
      where place <= ${limit} and (place = 1 or bytes_up_to <= ${maxBytes})
    ) page on true
    where rooms.id = ${room.id} and rooms.epoch = ${room.epoch} and rooms.deleted_at is null
    order by page.seq`
}

const messageOf = (row: MessageRow, seq: Seq): StoredEvent => ({
  seq,
  kind: 'message',
  author: row.author,
  clientId: row.client_id === null ? null : row.client_id.replaceAll('-', ''),
  clientSeq: row.client_seq,
  name: row.name,
  payload: row.payload,
  createdAt: row.created_ms,
})
