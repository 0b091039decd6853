import type { RoomId } from '../ids.js'
import { clientIdText, integer, rejected, TextDictionary } from './pg-text.js'
import { StoreError, type CommitEntry, type CommitResult } from './types.js'

/**
 * The statement of one batch. The payloads travel as base64 text: postgres.js knows the text format only, where a
 * bytea is hex, twice its size.
 */
export const commitStatement =
  'select statuses, numbers from weft_commit($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::int[], ' +
  "$6::int[], $7::uuid[], $8::bigint[], $9::int[], $10::int[], decode($11::text, 'base64'))"

/** One answer of `commitStatement`: see `weft_commit` in the migrations for the letters. */
export interface CommitRow {
  readonly statuses: string | null
  readonly numbers: string | null
}

/** In place of a message's name: the entry is a seed. */
const seedName = -1

/**
 * Encodes a batch for `commitStatement`. Rooms, authors and names travel once each, every column is one array
 * literal: about 1 µs an entry.
 * @throws {StoreError} rejected, when an entry cannot be stored
 */
export function encodeBatch(entries: readonly CommitEntry[]): string[] {
  const rooms = new RoomDictionary()
  const authors = new TextDictionary('an author')
  const names = new TextDictionary('a message name')
  const payloads: Uint8Array[] = []
  let entryRooms = ''
  let entryAuthors = ''
  let clients = ''
  let clientSeqs = ''
  let entryNames = ''
  let lengths = ''
  let bytes = 0
  let comma = ''
  for (const entry of entries) {
    const { author, clientId, clientSeq, name, payload } = entry
    if ((entry.kind === 'message') !== (name !== null))
      throw rejected('a message has a name, an update has none')
    if (entry.seed === true && name !== null) throw rejected('a seed is an update')
    entryRooms += `${comma}${rooms.place(entry.roomId, entry.epoch)}`
    entryAuthors += `${comma}${author === null ? 0 : authors.place(author)}`
    clients += comma + clientIdText(clientId)
    clientSeqs += comma + (clientSeq === null ? 'NULL' : integer(clientSeq))
    entryNames += `${comma}${name === null ? (entry.seed === true ? seedName : 0) : names.place(name)}`
    lengths += `${comma}${payload.length}`
    payloads.push(payload)
    bytes += payload.length
    comma = ','
  }
  return [
    `{${rooms.ids}}`,
    `{${rooms.epochs}}`,
    authors.literal(),
    names.literal(),
    `{${entryRooms}}`,
    `{${entryAuthors}}`,
    `{${clients}}`,
    `{${clientSeqs}}`,
    `{${entryNames}}`,
    `{${lengths}}`,
    Buffer.concat(payloads, bytes).toString('base64'),
  ]
}

/**
 * Decodes the answer to a batch of `count` entries.
 * @throws {StoreError} transient, when it is not an answer to that batch
 */
export function decodeResults(row: CommitRow | undefined, count: number): CommitResult[] {
  const statuses = row?.statuses ?? ''
  const numbers = row?.numbers?.split(',') ?? []
  if (statuses.length !== count || numbers.length !== count) {
    throw new StoreError('transient', `weft_commit answered for ${statuses.length} of ${count} entries`, null)
  }
  const results: CommitResult[] = []
  for (let i = 0; i < count; i++) {
    const number = Number(numbers[i])
    const letter = statuses.charAt(i)
    switch (letter) {
      case 'c':
        results.push({ status: 'committed', seq: number })
        break
      case 'd':
        results.push({ status: 'duplicate', seq: number })
        break
      case 'x':
        results.push({ status: 'conflict', seq: number })
        break
      case 'n':
        results.push({ status: 'not_empty' })
        break
      case 'f':
        results.push({ status: 'fenced' })
        break
      case 'D':
      case 'X': {
        // The first of its key stands before it in the batch, so its result is known.
        const first = results[number - 1]
        if (first?.status !== 'committed') {
          throw new StoreError(
            'transient',
            `weft_commit pointed at entry ${number}, which it did not commit`,
            null,
          )
        }
        results.push({ status: letter === 'D' ? 'duplicate' : 'conflict', seq: first.seq })
        break
      }
      default:
        throw new StoreError('transient', `weft_commit answered with an unknown status ${letter}`, null)
    }
  }
  return results
}

/** The rooms of a batch, each with the epoch that its entries expect. */
class RoomDictionary {
  ids = ''
  epochs = ''
  #count = 0
  readonly #byRoom = new Map<RoomId, { readonly epoch: number; readonly place: number }>()
  /** Rooms whose entries disagree about the epoch (made again within the batch): rare. */
  readonly #others = new Map<string, number>()

  /** Counted from 1. */
  place(roomId: RoomId, epoch: number): number {
    const known = this.#byRoom.get(roomId)
    if (known?.epoch === epoch) return known.place
    if (known === undefined) {
      const place = this.#add(roomId, epoch)
      this.#byRoom.set(roomId, { epoch, place })
      return place
    }
    const key = `${roomId} ${epoch}`
    const other = this.#others.get(key) ?? this.#add(roomId, epoch)
    this.#others.set(key, other)
    return other
  }

  #add(roomId: RoomId, epoch: number): number {
    const comma = this.#count === 0 ? '' : ','
    this.ids += comma + integer(roomId)
    this.epochs += comma + integer(epoch)
    this.#count += 1
    return this.#count
  }
}
