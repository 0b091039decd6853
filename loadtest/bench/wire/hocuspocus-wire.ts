/*
 * The wire of Hocuspocus 4: every message begins with the document's name, then goes on as one of y-websocket (types 0 to 3
 * are the same). Clients that ask for no session get it back as they wrote it: of one room, the prefix is always the same.
 */
import { ByteWriter, varUintLength } from './bytes.js'
import { YMessage } from './y-wire.js'

/** Of an auth message. */
export const HocuspocusAuth = { token: 0, permissionDenied: 1, authenticated: 2 } as const

/** Documents are in the messages: all have one path. */
export const hocuspocusPath = '/'

/** The version that a client says it has, as the stock provider does. */
const providerVersion = '4.7.0'

/** What every message of a room begins with. @param room ASCII */
export const roomPrefix = (room: string): Uint8Array => text(room)

/** A client's first message. The server has to ask nothing of the token: any will do. */
export const encodeToken = (prefix: Uint8Array, token: string): Buffer =>
  Buffer.concat([
    prefix,
    Buffer.from([YMessage.auth, HocuspocusAuth.token]),
    text(token),
    text(providerVersion),
  ])

const text = (value: string): Uint8Array =>
  new ByteWriter(Buffer.alloc(varUintLength(value.length) + value.length))
    .varUint(value.length)
    .ascii(value)
    .finish()
