/* Batches of updates alone, which are most batches: see `weft_append` in the migrations. */
import type { RoomId } from '../ids.js'
import { clientIdText, integer, TextDictionary } from './pg-text.js'
import { StoreError, type CommitEntry, type CommitResult } from './types.js'

/** The statement of one batch of updates. The payloads travel as base64 text, as in `commitStatement`. */
export const appendStatement =
  "select array_to_string(heads, ',') as heads from weft_append($1::bigint[], $2::bigint[], $3::int[], $4::text[], " +
  "$5::int[], $6::int[], $7::int[], $8::uuid[], $9::bigint[], $10::int[], $11::int[], decode($12::text, 'base64'))"

/** The answer of `appendStatement`. */
export interface AppendRow {
  readonly heads: string | null
}

/** A room of a batch. */
interface AppendedRoom {
  readonly id: RoomId
  readonly epoch: number
  count: number
  /** From 1, in id order. */
  place: number
}

/** A batch on its way to `weft_append`. */
export interface AppendBatch {
  readonly parameters: string[]
  /** @throws {StoreError} transient, when the answer is not one to this batch */
  results(row: AppendRow | undefined): CommitResult[]
}

/**
 * Encodes a batch of updates.
 * @returns null for one that `weft_commit` has to take: with messages or seeds, or with a room whose entries disagree about
 *   its epoch (made again within the batch)
 * @throws {StoreError} rejected, when an entry cannot be stored
 */
export function encodeAppend(entries: readonly CommitEntry[]): AppendBatch | null {
  const rooms = new Map<RoomId, AppendedRoom>()
  const roomOf: AppendedRoom[] = []
  const ordinals: number[] = []
  for (const { roomId, epoch, kind, name, seed } of entries) {
    if (kind !== 'update' || name !== null || seed === true) return null
    let room = rooms.get(roomId)
    if (room === undefined) rooms.set(roomId, (room = { id: roomId, epoch, count: 0, place: 0 }))
    else if (room.epoch !== epoch) return null
    roomOf.push(room)
    ordinals.push(++room.count)
  }
  const inOrder = [...rooms.values()].sort((a, b) => a.id - b.id)
  // Columns as arrays that are joined at the end: a string that grows by each entry leaves a kilobyte of its parts behind.
  const ids: string[] = []
  const epochs: string[] = []
  const counts: number[] = []
  for (const room of inOrder) {
    room.place = ids.push(integer(room.id))
    epochs.push(integer(room.epoch))
    counts.push(room.count)
  }
  const authors = new TextDictionary('an author')
  const payloads: Uint8Array[] = []
  const entryRooms: number[] = []
  const entryAuthors: number[] = []
  const clients: string[] = []
  const clientSeqs: string[] = []
  const offsets: number[] = []
  const lengths: number[] = []
  let bytes = 0
  for (const room of roomOf) entryRooms.push(room.place)
  for (const { author, clientId, clientSeq, payload } of entries) {
    entryAuthors.push(author === null ? 0 : authors.place(author))
    clients.push(clientIdText(clientId))
    clientSeqs.push(clientSeq === null ? 'NULL' : integer(clientSeq))
    offsets.push(bytes + 1)
    lengths.push(payload.length)
    payloads.push(payload)
    bytes += payload.length
  }
  return {
    parameters: [
      arrayText(ids),
      arrayText(epochs),
      arrayText(counts),
      authors.literal(),
      arrayText(entryRooms),
      arrayText(ordinals),
      arrayText(entryAuthors),
      arrayText(clients),
      arrayText(clientSeqs),
      arrayText(offsets),
      arrayText(lengths),
      Buffer.concat(payloads, bytes).toString('base64'),
    ],
    results: (row) => {
      const heads = row?.heads?.split(',').map(Number) ?? []
      if (heads.length !== inOrder.length || !heads.every(Number.isSafeInteger)) {
        throw new StoreError(
          'transient',
          `weft_append answered for ${heads.length} of ${inOrder.length} rooms`,
          null,
        )
      }
      return roomOf.map(({ place }, index): CommitResult => {
        const head = heads[place - 1] ?? -1
        return head < 0 ? { status: 'fenced' } : { status: 'committed', seq: head + (ordinals[index] ?? 0) }
      })
    },
  }
}

const arrayText = (values: readonly (number | string)[]): string => `{${values.join(',')}}`
