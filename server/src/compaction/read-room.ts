import { inspectUpdate, UpdateInvalidError, type Inspection } from '../crdt/index.js'
import type { RoomId, Seq } from '../ids.js'
import {
  quarantineEvent,
  readEventRows,
  readLatestSnapshot,
  readSnapshotSeqs,
  type Sql,
} from '../store/worker.js'
import type { StoredEvent } from '../store/types.js'
import { DocWorkerError } from './errors.js'
import { messageOf } from '../message-of.js'

/** Events a query: a page of the largest updates still fits in memory. */
const PAGE = 500

/** A snapshot that decodes, or the empty beginning. */
export interface Base {
  readonly seq: Seq
  readonly state: Uint8Array | null
  readonly inspection: Inspection | null
}

/** A stored update that is fit to be applied. */
export interface FitEvent {
  readonly event: StoredEvent
  /** Null for a message. */
  readonly inspection: Inspection | null
}

/**
 * The room's newest seq.
 * @throws {DocWorkerError} fenced
 */
export async function readHead(sql: Sql, roomId: RoomId, epoch: number): Promise<Seq> {
  const rows = await sql<{ head_seq: number }[]>`
    select head_seq from rooms where id = ${roomId} and epoch = ${epoch} and deleted_at is null`
  const row = rows[0]
  if (row === undefined) {
    throw new DocWorkerError('fenced', `room ${roomId} is gone or has another epoch than ${epoch}`)
  }
  return row.head_seq
}

/**
 * The newest snapshot that `usable` accepts, at `upTo` at the latest; the log goes back to the first event, so there is
 * always the beginning to start from. Each one that had to be passed over is a line in `problems`.
 */
export async function readBase(
  sql: Sql,
  roomId: RoomId,
  upTo: Seq,
  problems: string[],
  usable: (state: Uint8Array) => void = () => undefined,
): Promise<Base> {
  const accept = (seq: Seq, state: Uint8Array): Base | null => {
    try {
      const inspection = inspectUpdate(state)
      usable(state)
      return { seq, state, inspection }
    } catch (error) {
      problems.push(`snapshot ${seq} of room ${roomId} is damaged, an older one is used: ${messageOf(error)}`)
      return null
    }
  }
  const latest = await readLatestSnapshot(sql, roomId)
  if (latest !== null) {
    const base = latest.seq <= upTo ? accept(latest.seq, latest.state) : null
    if (base !== null) return base
    for (const seq of await readSnapshotSeqs(sql, roomId)) {
      if (seq >= latest.seq || seq > upTo) continue
      const state = await readSnapshotAt(sql, roomId, seq)
      const older = state === null ? null : accept(seq, state)
      if (older !== null) return older
    }
  }
  return { seq: 0, state: null, inspection: null }
}

async function readSnapshotAt(sql: Sql, roomId: RoomId, seq: Seq): Promise<Uint8Array | null> {
  const rows = await sql<{ state: Buffer }[]>`
    select state from snapshots where room_id = ${roomId} and seq = ${seq} order by part`
  return rows.length === 0 ? null : Buffer.concat(rows.map((row) => row.state))
}

/**
 * The events `after < seq <= upTo`. Updates that do not pass inspection are quarantined by seq and left out, as are
 * those that were quarantined before: they never fail the room.
 */
export async function readFitEvents(
  sql: Sql,
  roomId: RoomId,
  after: Seq,
  upTo: Seq,
): Promise<{ events: FitEvent[]; quarantined: Seq[] }> {
  const rows = await sql<{ seq: number }[]>`
    select seq from quarantined_events where room_id = ${roomId} and seq > ${after} and seq <= ${upTo}`
  const known = new Set(rows.map((row) => row.seq))
  const quarantined: Seq[] = []
  const events: FitEvent[] = []
  let last = after
  while (last < upTo) {
    const page = await readEventRows(sql, roomId, last, upTo, PAGE)
    for (const event of page) {
      last = event.seq
      if (known.has(event.seq)) {
        quarantined.push(event.seq)
      } else if (event.kind === 'message') {
        events.push({ event, inspection: null })
      } else {
        try {
          events.push({ event, inspection: inspectUpdate(event.payload) })
        } catch (error) {
          if (!(error instanceof UpdateInvalidError)) throw error
          const { seq, payload } = event
          await quarantineEvent(sql, { roomId, seq, payload, reason: error.message })
          quarantined.push(seq)
        }
      }
    }
    if (page.length < PAGE) break
  }
  return { events, quarantined }
}
