/* `weft room export` and `weft room import` */
import { open, readFile, writeFile } from 'node:fs/promises'
import { unpackEvents } from '../compaction/index.js'
import { Coverage, inspectUpdate, UpdateInvalidError, type Inspection } from '../crdt/index.js'
import type { Seq } from '../ids.js'
import { OperateError } from './errors.js'
import type { Operator, RoomRecord } from './operator.js'
import { messageOf } from '../message-of.js'

/** Events a query. */
const page = 500

/** The whole document as one Yjs update. @throws DocWorkerError */
const stateOf = async (operator: Operator, { id, epoch }: RoomRecord, maxMs: number): Promise<Uint8Array> => {
  const workers = operator.workers(maxMs)
  const loaded = await workers.load({ roomId: id, epoch })
  const parts = loaded.base === null ? [] : [loaded.base]
  for (const { kind, payload } of unpackEvents(loaded.events)) if (kind === 'update') parts.push(payload)
  return await workers.merge({ parts })
}

/**
 * Writes a room's document to a file, as one Yjs update, and its log to another, if there is one: an event a line, as JSON.
 * @returns what was written
 * @throws {OperateError} when there is no such room, or a file cannot be written
 */
export const exportRoom = async (
  operator: Operator,
  tenant: string,
  name: string,
  files: { readonly update: string; readonly events: string | null },
  maxMs: number,
): Promise<{ bytes: number; events: number }> => {
  const room = await operator.room(tenant, name)
  const state = await stateOf(operator, room, maxMs)
  await onFile(files.update, 'written', () => writeFile(files.update, state, { mode: 0o600 }))
  const { events: path } = files
  if (path === null) return { bytes: state.length, events: 0 }
  const events = await onFile(path, 'written', () => writeEvents(operator, room, path))
  return { bytes: state.length, events }
}

const writeEvents = async ({ store }: Operator, room: RoomRecord, path: string): Promise<number> => {
  const file = await open(path, 'w', 0o600)
  try {
    let count = 0
    for (let last: Seq = 0; last < room.headSeq;) {
      const events = await store.readEvents(room.id, last, room.headSeq, page)
      for (const { payload, ...event } of events) {
        await file.write(
          `${JSON.stringify({ ...event, payload: Buffer.from(payload).toString('base64') })}\n`,
        )
        last = event.seq
        count++
      }
      if (events.length === 0) break
    }
    return count
  } finally {
    await file.close()
  }
}

/**
 * Adds a Yjs update from a file to a room, made if there is none, as one more change: what is there stays.
 * @returns the seq, and whether parts of it wait for changes that the room does not have
 * @throws {OperateError} when the file is no valid update, or too large
 */
export const importRoom = async (
  operator: Operator,
  tenant: string,
  name: string,
  path: string,
  limits: { readonly updateBytes: number; readonly maxMs: number },
): Promise<{ seq: Seq; bytes: number; waits: boolean }> => {
  const update = new Uint8Array(await onFile(path, 'read', () => readFile(path)))
  const inspection = inspected(path, update, limits.updateBytes)
  const { id: roomId, epoch } = await operator.store.openRoom(tenant, name)
  const [result] = await operator.store.commit([
    {
      roomId,
      epoch,
      kind: 'update',
      author: null,
      clientId: null,
      clientSeq: null,
      name: null,
      payload: update,
    },
  ])
  if (result?.status !== 'committed')
    throw new OperateError('the room was deleted meanwhile: nothing was imported')
  const loaded = await operator.workers(limits.maxMs).load({ roomId, epoch })
  const waits = !Coverage.restore(loaded.coverage).covers(inspection.deps)
  return { seq: result.seq, bytes: update.length, waits }
}

const inspected = (path: string, update: Uint8Array, maxBytes: number): Inspection => {
  if (update.length > maxBytes) {
    throw new OperateError(
      `${path} has ${update.length} bytes, and an update at most ${maxBytes} (MAX_UPDATE_BYTES)`,
    )
  }
  try {
    const inspection = inspectUpdate(update)
    if (inspection.empty) throw new OperateError(`${path} is an update that holds nothing`)
    return inspection
  } catch (error) {
    if (!(error instanceof UpdateInvalidError)) throw error
    throw new OperateError(`${path} is no valid Yjs update (v1): ${error.message}`, { cause: error })
  }
}

const onFile = async <T>(path: string, done: string, run: () => Promise<T>): Promise<T> => {
  try {
    return await run()
  } catch (error) {
    throw new OperateError(`${path} cannot be ${done}: ${messageOf(error)}`, {
      cause: error,
    })
  }
}
