import { ProtocolError } from './errors.js'
import { encodeUtf8 } from './lib0.js'
import { roomNameBytes } from './limits.js'

/**
 * What is wrong with a room name; null when nothing is. It has 1 to {@link WireLimits.roomNameBytes} bytes of UTF-8, any
 * characters but NUL and lone surrogates (PostgreSQL stores neither). Slashes, spaces, percent signs and every script are
 * fine.
 */
export const roomNameFault = (name: string): string | null => {
  const { length } = encodeUtf8(name)
  return length > 0 && length <= roomNameBytes && isWellFormed(name) && !name.includes('\0')
    ? null
    : `a room name has 1 to ${roomNameBytes} bytes of UTF-8, not ${length}, and no NUL or lone surrogate`
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
