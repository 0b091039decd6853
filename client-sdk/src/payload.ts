import { encodeUtf8, encodeValue, eventNameBytes, isWellFormed } from '@weft/protocol'
import { WeftError, messageOf } from './errors.js'

/**
 * Encodes the payload of a message or broadcast, and checks its name.
 * @throws {WeftError} `invalid_payload`: what MessagePack cannot say, or a name that is empty or too long
 */
export const encodePayload = (name: string, payload: unknown): Uint8Array => {
  try {
    const { length } = encodeUtf8(name)
    if (length === 0 || length > eventNameBytes || !isWellFormed(name))
      throw new Error(`a name has 1 to ${eventNameBytes} bytes of UTF-8, not ${length}`)
    return encodeValue(payload)
  } catch (thrown) {
    throw new WeftError('invalid_payload', `'${name.slice(0, 40)}': ${messageOf(thrown)}`, thrown)
  }
}
