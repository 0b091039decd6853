import { WeftError } from './errors.js'
import { findElsewhere } from './socket-node.js'

/** What the SDK uses of a WebSocket. Those of browsers, Node 22 and the `ws` package fit. */
export interface WebSocketLike {
  binaryType: string
  readonly bufferedAmount: number
  /** Set by the SDK, as the three below. */
  onopen: ((event: never) => void) | null
  /** Hears what the server sends. */
  onmessage: ((event: never) => void) | null
  /** Hears the end, with its close code. */
  onclose: ((event: never) => void) | null
  /** Hears failures; the close follows. */
  onerror: ((event: never) => void) | null
  /** Sends one frame. */
  send(data: Uint8Array<ArrayBuffer>): void
  /** Ends with the closing handshake. */
  close(code?: number, reason?: string): void
  /** `ws` only: ends without the closing handshake. */
  terminate?(): void
}

/** Makes sockets. */
export type WebSocketConstructor = new (url: string) => WebSocketLike

/**
 * The WebSocket to use: the given one, or the platform's, or what else there is.
 * @throws {WeftError} `no_websocket`
 */
export const findWebSocket = async (
  given: WebSocketConstructor | undefined,
): Promise<WebSocketConstructor> => {
  const scope: { WebSocket?: WebSocketConstructor } = globalThis
  return given ?? scope.WebSocket ?? findElsewhere()
}

/**
 * The address of the Weft endpoint for a server's URL.
 * @throws {WeftError} `invalid_url`
 */
export const endpoint = (url: string): string => {
  const page: { location?: { href?: string } } = globalThis
  let cause
  try {
    const parsed = new URL(url, page.location?.href)
    parsed.protocol = parsed.protocol.replace(/^http/, 'ws')
    // A WebSocket constructor throws on a fragment.
    parsed.hash = ''
    parsed.pathname = parsed.pathname.replace(/(\/v1\/connect|\/*)$/, '/v1/connect')
    if (/^wss?:/.test(parsed.protocol)) return parsed.href
  } catch (thrown) {
    cause = thrown
  }
  throw new WeftError('invalid_url', `the option url needs ws:, wss:, http: or https:, not '${url}'`, cause)
}

/** The bytes of a message. @throws when it is text */
export const bytesOf = (data: unknown): Uint8Array => {
  if (data instanceof ArrayBuffer) return new Uint8Array(data)
  if (data instanceof Uint8Array) return data
  throw new Error('a text message')
}
