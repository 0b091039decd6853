/*
 * What is in the database, by store. Keys are arrays that begin with the scope, so that two servers, or two users of one
 * browser, never meet.
 *
 *   tabs     [scope, client id]                          a client id that is, or was, a tab's: TabRecord
 *   rooms    [scope, room]                               what is known of the kept document: RoomRecord
 *   updates  [scope, room, client id, counter]           a piece of the document: a Yjs update
 *   outbox   [scope, client id, room, n]                 a change that is not acknowledged: ChangeRecord
 *
 * Everything read is checked: another version of the app, or a person, may have written it.
 */
import type { Change } from '../outbox.js'
import type { KeptChange } from '../persistence.js'

export interface TabRecord {
  /** The verified user that its changes were first sent as; undefined when it was never connected. */
  readonly author?: string | null | undefined
  /** Milliseconds since 1970. */
  readonly since: number
}

export interface RoomRecord {
  /**
   * Drawn when the record is made. A tab adds to the document of the life that it has read or made itself; to any other
   * it adds its whole document, because it cannot know what is in there.
   */
  readonly life: number
  readonly epoch: number | null
  readonly watermark: number | null
  /** Bytes of the largest piece, and of the others: what compaction decides by. */
  readonly base: number
  readonly tail: number
  /** How many pieces there are. */
  readonly pieces: number
}

export type ChangeRecord = KeptChange

/** Server and user, in one word. */
export const scopeOf = (url: string, user: string | null): string => JSON.stringify([url, user])

/** The keys that begin with `prefix`: an array comes after every string and number. */
export const keysUnder = (prefix: readonly string[]): IDBKeyRange =>
  IDBKeyRange.bound([...prefix], [...prefix, []])

export const hexOf = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')

export const bytesOfHex = (hex: string): Uint8Array =>
  Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0
const isCountOrNull = (value: unknown): value is number | null => value === null || isCount(value)

/** @returns null when the value is no such record */
export const readTab = (value: unknown): TabRecord | null => {
  if (!isRecord(value)) return null
  const { author, since } = value
  if (typeof since !== 'number') return null
  return author === undefined || author === null || typeof author === 'string' ? { author, since } : null
}

/** @returns null when the value is no such record */
export const readRoom = (value: unknown): RoomRecord | null => {
  if (!isRecord(value)) return null
  const { life, epoch, watermark, base, tail, pieces } = value
  if (typeof life !== 'number' || !isCountOrNull(epoch) || !isCountOrNull(watermark)) return null
  if (!isCount(base) || !isCount(tail) || !isCount(pieces)) return null
  return { life, epoch, watermark, base, tail, pieces }
}

/** @returns null when key and value are no kept change */
export const readChange = (
  key: IDBValidKey,
  value: unknown,
): { readonly room: string; readonly kept: KeptChange } | null => {
  if (!Array.isArray(key) || !isRecord(value)) return null
  const room: unknown = key[2]
  const n: unknown = key[3]
  const { epoch, change: found } = value
  const change = isRecord(found) && isCount(n) && n > 0 ? readContent(n, found) : null
  if (typeof room !== 'string' || !isCountOrNull(epoch) || change === null) return null
  return { room, kept: { epoch, change } }
}

const readContent = (n: number, found: Record<string, unknown>): Change | null => {
  const { kind, edits, update, name, payload } = found
  switch (kind) {
    case 'update':
      return isCount(edits) && update instanceof Uint8Array ? { kind, n, edits, update } : null
    case 'event':
      return typeof name === 'string' && payload instanceof Uint8Array ? { kind, n, name, payload } : null
    case 'seed':
      return update instanceof Uint8Array ? { kind, n, update } : null
    default:
      return null
  }
}
