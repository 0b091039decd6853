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
 * @param maxStateBytes a state longer than this (in UTF-16 units of its JSON) is refused
 * @throws {ProtocolError} `invalid_presence`, or `too_large`
 */
export const readAwareness = (bytes: Uint8Array, maxEntries: number, maxStateBytes: number): AwarenessEntry[] => {
  const entries: AwarenessEntry[] = []
  let decoder: decoding.Decoder
  let count: number
  try {
    decoder = decoding.createDecoder(bytes)
    count = decoding.readVarUint(decoder)
  } catch {
    throw new ProtocolError('invalid_presence', 'the awareness update does not decode')
  }
  if (count > maxEntries) {
    throw new ProtocolError('too_large', `the awareness update holds ${count} entries and may hold ${maxEntries}`)
  }
  for (let i = 0; i < count; i++) {
    let clientId: number
    let clock: number
    let state: string
    try {
      clientId = decoding.readVarUint(decoder)
      clock = decoding.readVarUint(decoder)
      state = decoding.readVarString(decoder)
    } catch {
      throw new ProtocolError('invalid_presence', 'the awareness update does not decode')
    }
    if (state.length > maxStateBytes) {
      throw new ProtocolError('too_large', `a presence state is longer than ${maxStateBytes} bytes`)
    }
    if (state !== 'null' && !isJson(state)) {
      // Every receiver parses it: one that does not parse would throw in all of them.
      throw new ProtocolError('invalid_presence', 'a presence state is not JSON')
    }
    entries.push({ clientId, clock, state: state === 'null' ? null : state })
  }
  if (decoding.hasContent(decoder)) {
    throw new ProtocolError('invalid_presence', 'bytes follow the awareness update')
  }
  return entries
}

const isJson = (text: string): boolean => {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
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
