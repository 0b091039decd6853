import { ProtocolError } from './errors.js'
import { WireLimits } from './limits.js'

const utf8 = new TextEncoder()

/**
 * Checks a room name: 1 to {@link WireLimits.roomNameBytes} bytes of UTF-8, any characters but NUL and lone
 * surrogates (PostgreSQL stores neither). Slashes, spaces, percent signs and every script are fine.
 * @throws {ProtocolError} `invalid_room_name`
 */
export const checkRoomName = (name: string): void => {
  if (name.length === 0) throw new ProtocolError('invalid_room_name', 'the room name is empty')
  // A UTF-16 unit takes at least one byte and at most three: most names need no encoding to be measured.
  if (name.length > WireLimits.roomNameBytes) throw tooLong()
  if (name.includes('\0')) throw new ProtocolError('invalid_room_name', 'the room name holds a NUL character')
  if (!isWellFormed(name)) {
    throw new ProtocolError('invalid_room_name', 'the room name holds a lone surrogate')
  }
  if (name.length * 3 > WireLimits.roomNameBytes && utf8.encode(name).length > WireLimits.roomNameBytes) {
    throw tooLong()
  }
}

const tooLong = (): ProtocolError =>
  new ProtocolError('invalid_room_name', `the room name is longer than ${WireLimits.roomNameBytes} bytes`)

/** Whether a string has no lone surrogate: only such strings survive UTF-8. */
export const isWellFormed = (text: string): boolean =>
  !/[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?:[^\uD800-\uDBFF]|^)[\uDC00-\uDFFF]/.test(text)

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
