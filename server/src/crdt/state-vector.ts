import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import { UpdateInvalidError } from './errors.js'
import { messageOf } from '../message-of.js'

/**
 * Reads a state vector (client to the next clock expected of it). Clients at clock 0 are left out: they say nothing.
 * @throws {UpdateInvalidError}
 */
export function decodeStateVector(bytes: Uint8Array): Map<number, number> {
  const stateVector = new Map<number, number>()
  try {
    const decoder = new decoding.Decoder(bytes)
    const clients = decoding.readVarUint(decoder)
    for (let i = 0; i < clients; i++) {
      const client = decoding.readVarUint(decoder)
      const clock = decoding.readVarUint(decoder)
      if (!Number.isSafeInteger(client) || !Number.isSafeInteger(clock))
        throw new Error('number out of range')
      if (clock > 0) stateVector.set(client, clock)
    }
    if (decoder.pos !== bytes.length) throw new Error('bytes after the end')
  } catch (error) {
    throw new UpdateInvalidError(`not a state vector: ${messageOf(error)}`, {
      cause: error,
    })
  }
  return stateVector
}

/** Writes a state vector as Yjs does, clients descending: the same content gives the same bytes. */
export function encodeStateVector(stateVector: ReadonlyMap<number, number>): Uint8Array {
  const encoder = encoding.createEncoder()
  encoding.writeVarUint(encoder, stateVector.size)
  for (const [client, clock] of [...stateVector].sort((a, b) => b[0] - a[0])) {
    encoding.writeVarUint(encoder, client)
    encoding.writeVarUint(encoder, clock)
  }
  return encoding.toUint8Array(encoder)
}
