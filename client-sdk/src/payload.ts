import { ProtocolError, WireLimits, encodeValue, isWellFormed } from '@weft/protocol'
import { WeftError, messageOf } from './errors.js'

/**
 * Encodes the payload of a message or broadcast, and checks its name.
 * @throws {WeftError} `invalid_payload`: what MessagePack cannot say, or a name that is empty or too long
 */
export const encodePayload = (name: string, payload: unknown): Uint8Array => {
  const bytes = new TextEncoder().encode(name).length
  if (bytes === 0 || bytes > WireLimits.eventNameBytes || !isWellFormed(name))
    throw new WeftError(
      'invalid_payload',
      `a name has 1 to ${WireLimits.eventNameBytes} bytes of UTF-8, '${name.slice(0, 40)}' has ${bytes}`,
    )
  try {
    return encodeValue(payload)
  } catch (thrown) {
    if (!(thrown instanceof ProtocolError)) throw thrown
    throw new WeftError('invalid_payload', `the payload of '${name}': ${messageOf(thrown)}`, thrown)
  }
}
