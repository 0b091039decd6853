/* What the codecs of both directions share. */
import { ProtocolError } from './errors.js'
import { WireLimits } from './limits.js'
import { Reader } from './msgpack-reader.js'

/** Reads the frame's array header and type. */
export const open = (bytes: Uint8Array): { reader: Reader; arity: number; type: number } => {
  const reader = new Reader(bytes)
  const arity = reader.arrayHeader('the frame')
  if (arity === 0) throw new ProtocolError('invalid_frame', 'the frame is an empty array')
  return { reader, arity, type: reader.uint('the frame type') }
}

/** Fields past those of this version are skipped: room to grow (P4). */
export const close = (reader: Reader, surplus: number): void => {
  for (let i = 0; i < surplus; i++) reader.skip('a field', WireLimits.payloadDepth)
  if (!reader.atEnd) throw new ProtocolError('invalid_frame', 'bytes follow the frame')
}

/** Checks that a frame has its fields, and returns how many more it has. */
export const arityOf = (name: string, arity: number, wanted: number): number => {
  if (arity < wanted) {
    throw new ProtocolError('invalid_frame', `${name} has ${arity} elements and needs ${wanted}`)
  }
  return arity - wanted
}

export const readClientId = (reader: Reader): Uint8Array => {
  const id = reader.binary('the client id')
  if (id.length !== WireLimits.clientIdBytes) {
    throw new ProtocolError(
      'invalid_frame',
      `the client id has ${id.length} bytes and needs ${WireLimits.clientIdBytes}`,
    )
  }
  return id
}

export const readChangeNumber = (reader: Reader): number => {
  const n = reader.uint('n')
  if (n === 0) throw new ProtocolError('invalid_frame', 'n starts at 1')
  return n
}

/** Reads the limit of HISTORY. */
export const readHistoryLimit = (reader: Reader): number => {
  const limit = reader.uint('the limit')
  if (limit === 0 || limit > WireLimits.historyLimit) {
    throw new ProtocolError(
      'invalid_frame',
      `the limit is ${limit} and goes from 1 to ${WireLimits.historyLimit}`,
    )
  }
  return limit
}
