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
  let ids = ''
  let epochs = ''
  let counts = ''
  let comma = ''
  for (const [index, room] of inOrder.entries()) {
    room.place = index + 1
    ids += comma + integer(room.id)
    epochs += comma + integer(room.epoch)
    counts += `${comma}${room.count}`
    comma = ','
  }
  const authors = new TextDictionary('an author')
  const payloads: Uint8Array[] = []
  let entryRooms = ''
  let entryAuthors = ''
  let clients = ''
  let clientSeqs = ''
  let offsets = ''
  let lengths = ''
  let bytes = 0
  comma = ''
  for (const [index, { author, clientId, clientSeq, payload }] of entries.entries()) {
    entryRooms += `${comma}${roomOf[index]?.place}`
    entryAuthors += `${comma}${author === null ? 0 : authors.place(author)}`
    clients += comma + clientIdText(clientId)
    clientSeqs += comma + (clientSeq === null ? 'NULL' : integer(clientSeq))
    offsets += `${comma}${bytes + 1}`
    lengths += `${comma}${payload.length}`
    payloads.push(payload)
    bytes += payload.length
    comma = ','
  }
  return {
    parameters: [
      `{${ids}}`,
      `{${epochs}}`,
      `{${counts}}`,
      authors.literal(),
      `{${entryRooms}}`,
      `{${ordinals.join(',')}}`,
      `{${entryAuthors}}`,
      `{${clients}}`,
      `{${clientSeqs}}`,
      `{${offsets}}`,
      `{${lengths}}`,
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
