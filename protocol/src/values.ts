/* Free-form payloads (messages, broadcasts) as JavaScript values. */
import { payloadDepth } from './limits.js'
import { decode, encode, readValue, writeValue } from './msgpack.js'

/**
 * Encodes a payload as plain MessagePack: null, booleans, numbers, strings, Uint8Array, arrays and plain objects. As in
 * JSON, properties that are undefined are left out, and an undefined element of an array is null.
 * @throws {ProtocolError} `invalid_frame` for anything else (functions, dates, class instances, bigints, cycles, nesting
 *   beyond {@link WireLimits.payloadDepth}, strings with a lone surrogate)
 */
export const encodeValue = (value: unknown): Uint8Array =>
  encode((out) => writeValue(out, value, payloadDepth))

/**
 * Decodes a payload. Nothing of the result refers to the given bytes.
 * @throws {ProtocolError} `invalid_frame` when the bytes are not one value of plain MessagePack
 */
export const decodeValue = (bytes: Uint8Array): unknown =>
  decode(new Uint8Array(bytes), () => readValue(payloadDepth))
