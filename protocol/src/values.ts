/* Free-form payloads (messages, broadcasts) as JavaScript values. */
import { ProtocolError } from './errors.js'
import { WireLimits } from './limits.js'
import { Reader } from './msgpack-reader.js'
import { Writer } from './msgpack-writer.js'

/**
 * Encodes a payload as plain MessagePack: null, booleans, numbers, strings, Uint8Array, arrays and plain objects. As in
 * JSON, properties that are undefined are left out, and an undefined element of an array is null.
 * @throws {ProtocolError} `invalid_frame` for anything else (functions, dates, class instances, bigints, cycles, nesting
 *   beyond {@link WireLimits.payloadDepth}, strings with a lone surrogate)
 */
export const encodeValue = (value: unknown): Uint8Array =>
  new Writer().value(value, WireLimits.payloadDepth).finish()

/**
 * Decodes a payload. Nothing of the result refers to the given bytes.
 * @throws {ProtocolError} `invalid_frame` when the bytes are not one value of plain MessagePack
 */
export const decodeValue = (bytes: Uint8Array): unknown => {
  const reader = new Reader(bytes)
  const value = reader.decode('the payload', WireLimits.payloadDepth)
  if (!reader.atEnd) throw new ProtocolError('invalid_frame', 'bytes follow the payload')
  return value
}
