/*
 * Awareness updates of y-protocols, read and written without a Y.Doc:
 *
 *   awareness update = varuint count, then per entry: varuint clientID, varuint clock, varstring JSON state
 *   (the state `null` means that the client has gone)
 *
 * States stay text: the server relays them and never needs to look inside.
 */
import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import { ProtocolError } from './errors.js'
import { WireLimits } from './limits.js'

const utf8Decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** One client's state in an awareness update. */
export interface AwarenessEntry {
  /** The Yjs client id that the state belongs to. */
  readonly clientId: number
  readonly clock: number
  /** JSON, or null when the client has gone. */
  readonly state: string | null
}

/**
 * Reads an awareness update.
 * @param maxEntries entries beyond this are refused
 * @param maxStateBytes a state whose JSON is longer than this, in bytes of UTF-8, is refused
 * @throws {ProtocolError} `invalid_presence`, or `too_large`
 */
export const readAwareness = (
  bytes: Uint8Array,
  maxEntries: number,
  maxStateBytes: number,
): AwarenessEntry[] => {
  const decoder = decoding.createDecoder(bytes)
  const count = readInteger(decoder)
  if (count > maxEntries) {
    throw new ProtocolError(
      'too_large',
      `the awareness update holds ${count} entries and may hold ${maxEntries}`,
    )
  }
  const entries: AwarenessEntry[] = []
  for (let i = 0; i < count; i++) {
    const clientId = readInteger(decoder)
    const clock = readInteger(decoder)
    if (clock > WireLimits.presenceClock) {
      throw new ProtocolError('invalid_presence', `the clock ${clock} leaves no room for a later one`)
    }
    entries.push({ clientId, clock, state: readState(decoder, maxStateBytes) })
  }
  if (decoding.hasContent(decoder)) {
    throw new ProtocolError('invalid_presence', 'bytes follow the awareness update')
  }
  return entries
}

const undecodable = (): ProtocolError =>
  new ProtocolError('invalid_presence', 'the awareness update does not decode')

const readInteger = (decoder: decoding.Decoder): number => {
  let value: number
  try {
    value = decoding.readVarUint(decoder)
  } catch {
    throw undecodable()
  }
  // lib0 lets the last septet pass 2^53.
  if (!Number.isSafeInteger(value)) throw undecodable()
  return value
}

const readState = (decoder: decoding.Decoder, maxBytes: number): string | null => {
  const length = readInteger(decoder)
  if (length > decoder.arr.length - decoder.pos) throw undecodable()
  // Before anything is decoded: what is too long costs nothing.
  if (length > maxBytes)
    throw new ProtocolError('too_large', `a presence state is longer than ${maxBytes} bytes`)
  const bytes = decoder.arr.subarray(decoder.pos, decoder.pos + length)
  decoder.pos += length
  let text: string
  let value: unknown
  try {
    text = utf8Decoder.decode(bytes)
    // Every receiver parses it: one that does not parse would throw in all of them.
    value = JSON.parse(text)
  } catch {
    throw new ProtocolError('invalid_presence', 'a presence state is not JSON')
  }
  if (isDeeperThan(value, WireLimits.presenceDepth)) {
    throw new ProtocolError('invalid_presence', 'a presence state is nested too deeply')
  }
  return value === null ? null : text
}

/** Receivers compare states by recursion: a deep one would overflow the stack of them all. */
const isDeeperThan = (value: unknown, depth: number): boolean => {
  if (typeof value !== 'object' || value === null) return false
  if (depth === 0) return true
  return Object.values(value).some((item) => isDeeperThan(item, depth - 1))
}

/** Writes an awareness update. */
export const writeAwareness = (entries: Iterable<AwarenessEntry>): Uint8Array => {
  const list = [...entries]
  const encoder = encoding.createEncoder()
  encoding.writeVarUint(encoder, list.length)
  for (const entry of list) {
    encoding.writeVarUint(encoder, entry.clientId)
    encoding.writeVarUint(encoder, entry.clock)
    encoding.writeVarString(encoder, entry.state ?? 'null')
  }
  return encoding.toUint8Array(encoder)
}
