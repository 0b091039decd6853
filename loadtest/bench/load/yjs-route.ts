import { HocuspocusAuth, encodeToken, hocuspocusPath, roomPrefix } from '../wire/hocuspocus-wire.js'
import { YSync, encodeSync, yPath } from '../wire/y-wire.js'

/** The dialects that carry y-protocols messages. */
export type YjsDialect = 'yjs' | 'hocuspocus'

/** How a client reaches a room in one of them. */
export interface YRoute {
  readonly path: string
  /** What stands before each message, in both directions. */
  readonly prefix: Uint8Array
  /** The message that a client begins with: its sync step 1 where nothing else is asked of it. */
  first(vector: Uint8Array): Uint8Array
  /** Reads the auth message at `at`. @returns null when the client is let in, which then sends its sync step 1 */
  authenticated(bytes: Uint8Array, at: number): Error | null
}

const nothing = new Uint8Array(0)

export const yRoute = (dialect: YjsDialect, room: string): YRoute => {
  const prefix = dialect === 'hocuspocus' ? roomPrefix(room) : nothing
  return {
    path: dialect === 'hocuspocus' ? hocuspocusPath : yPath(room),
    prefix,
    first: (vector) =>
      dialect === 'hocuspocus' ? encodeToken(prefix, 'bench') : encodeSync(YSync.step1, vector),
    authenticated: (bytes, at) =>
      dialect === 'hocuspocus' && bytes[at + 1] === HocuspocusAuth.authenticated
        ? null
        : new Error('the server refused the room'),
  }
}
