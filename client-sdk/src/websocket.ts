import { WeftError } from './errors.js'

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
 * The WebSocket to use: the given one, the platform's, or that of the optional `ws` package.
 * @throws {WeftError} `no_websocket`
 */
export const findWebSocket = async (
  given: WebSocketConstructor | undefined,
): Promise<WebSocketConstructor> => {
  if (given !== undefined) return given
  const scope: { WebSocket?: unknown } = globalThis
  if (isConstructor(scope.WebSocket)) return scope.WebSocket
  // Not a literal, so that no bundler takes `ws` along into a browser.
  const name = 'ws'
  let cause
  try {
    const module: unknown = await import(/* @vite-ignore */ /* webpackIgnore: true */ name)
    const found = (module as { WebSocket?: unknown }).WebSocket
    if (isConstructor(found)) return found
  } catch (thrown) {
    cause = thrown
  }
  throw new WeftError(
    'no_websocket',
    'no WebSocket here: install the package `ws`, use Node 22 or newer, or pass the option `WebSocket`',
    cause,
  )
}

const isConstructor = (value: unknown): value is WebSocketConstructor => typeof value === 'function'

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
