import { ProtocolError } from './errors.js'
import { encodeUtf8 } from './lib0.js'
import { roomNameBytes } from './limits.js'

/**
 * What is wrong with a room name; null when nothing is. It has 1 to {@link WireLimits.roomNameBytes} bytes of UTF-8, any
 * characters but NUL and lone surrogates (PostgreSQL stores neither). Slashes, spaces, percent signs and every script are
 * fine.
 */
export const roomNameFault = (name: string): string | null => {
  if (name === '') return 'the room name is empty'
  if (name.includes('\0')) return 'the room name holds a NUL character'
  if (!isWellFormed(name)) return 'the room name holds a lone surrogate'
  // A UTF-16 unit takes at least one byte and at most three: most names need no encoding to be measured.
  const { length } = name
  return length > roomNameBytes || (length * 3 > roomNameBytes && encodeUtf8(name).length > roomNameBytes)
    ? `the room name is longer than ${roomNameBytes} bytes`
    : null
}

/**
 * Checks a room name: see {@link roomNameFault}.
 * @throws {ProtocolError} `invalid_room_name`
 */
export const checkRoomName = (name: string): void => {
  const fault = roomNameFault(name)
  if (fault !== null) throw new ProtocolError('invalid_room_name', fault)
}

/** Whether a string has no lone surrogate: only such strings survive UTF-8. */
export const isWellFormed = (text: string): boolean =>
  // With the flag u a pair is one character, which the class does not hold.
  !/[\uD800-\uDFFF]/u.test(text)

/**
 * The room name in the path of a stock Yjs client, percent-decoded once (y-websocket does not encode: callers who
 * need `?`, `#` or `%` in a name encode it themselves).
 * @throws {ProtocolError} `invalid_room_name`
 */
export const roomNameFromPath = (path: string): string => {
  let name: string
  try {
    name = decodeURIComponent(path)
  } catch {
    throw new ProtocolError('invalid_room_name', 'the room name is not valid percent-encoded UTF-8')
  }
  checkRoomName(name)
  return name
}
