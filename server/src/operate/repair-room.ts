/* `weft room repair` */
import { DocWorkerError, type DocWorkers } from '../compaction/index.js'
import type { Seq } from '../ids.js'
import { quarantineEvent } from '../store/index.js'
import { OperateError } from './errors.js'
import type { Operator, RoomRecord } from './operator.js'

/** An event that the document cannot take. */
export interface BadEvent {
  readonly seq: Seq
  readonly reason: string
}

export interface Repair {
  /** What is set aside, or would be. */
  readonly bad: readonly BadEvent[]
  /** The bytes of the new snapshot; null in a dry run. */
  readonly snapshotBytes: number | null
}

/** Events set aside by one repair. A room with more of them is better exported in parts by its events. */
const maxBad = 1_000

/**
 * Finds the events that keep a room from being a document within `maxMs`, sets them aside, and writes a new snapshot of the
 * rest, from the log alone. The log keeps them.
 * @param dryRun finds them only
 * @throws {OperateError} when there is no such room, or too much of it is bad
 */
export const repairRoom = async (
  operator: Operator,
  tenant: string,
  name: string,
  { maxMs, dryRun }: { readonly maxMs: number; readonly dryRun: boolean },
): Promise<Repair> => {
  const room = await operator.room(tenant, name)
  const bad = await findBad(operator.workers(maxMs), room)
  if (dryRun) return { bad, snapshotBytes: null }
  const { sql } = operator
  for (const { seq, reason } of bad) {
    const [event] = await operator.store.readEvents(room.id, seq - 1, seq, 1)
    if (event !== undefined)
      await quarantineEvent(sql, { roomId: room.id, seq, payload: event.payload, reason })
  }
  // They hold what is set aside now. Until the new one is written, the room loads from its log.
  await sql`delete from snapshots where room_id = ${room.id}`
  // Found to be possible in `maxMs`; that it is written takes a little longer.
  const compacted = await operator.workers(maxMs + 60_000).compact({ roomId: room.id, epoch: room.epoch })
  return { bad, snapshotBytes: compacted?.bytes ?? 0 }
}

/** The first event with which the log is no document any more goes; then it is looked at again without it. */
const findBad = async (workers: DocWorkers, room: RoomRecord): Promise<BadEvent[]> => {
  const bad: BadEvent[] = []
  for (;;) {
    const found = await probe(workers, room, room.headSeq, bad)
    if (found === null) return bad
    if (bad.length >= maxBad)
      throw new OperateError(`more than ${maxBad} events are bad: nothing was changed`)
    if (typeof found !== 'string') bad.push(...found)
    else bad.push(await firstBad(workers, room, bad, found))
  }
}

const firstBad = async (
  workers: DocWorkers,
  room: RoomRecord,
  bad: readonly BadEvent[],
  reasonOfAll: string,
): Promise<BadEvent> => {
  let good = 0
  let high = room.headSeq
  let reason = reasonOfAll
  while (high - good > 1) {
    const middle = (good + high) >> 1
    const found = await probe(workers, room, middle, bad)
    if (found === null) good = middle
    else {
      high = middle
      reason = typeof found === 'string' ? found : (found[0]?.reason ?? reason)
    }
  }
  return { seq: high, reason: `with it the room is no document: ${reason}` }
}

/** @returns null when the log up to a seq is a document; else the events that it cannot take, or why it is none */
const probe = async (
  workers: DocWorkers,
  { id, epoch }: RoomRecord,
  upTo: Seq,
  without: readonly BadEvent[],
): Promise<readonly BadEvent[] | string | null> => {
  try {
    const failed = await workers.probe({ roomId: id, epoch, upTo, without: without.map(({ seq }) => seq) })
    return failed.length === 0 ? null : failed
  } catch (error) {
    if (error instanceof DocWorkerError && error.isOfItsOwn) return error.message
    throw error
  }
}
