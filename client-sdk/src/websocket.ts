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
  try {
    const module: unknown = await import(/* @vite-ignore */ /* webpackIgnore: true */ name)
    if (
      typeof module === 'object' &&
      module !== null &&
      'WebSocket' in module &&
      isConstructor(module.WebSocket)
    ) {
      return module.WebSocket
    }
  } catch (cause) {
    throw missing(cause)
  }
  throw missing(undefined)
}

const isConstructor = (value: unknown): value is WebSocketConstructor => typeof value === 'function'

const missing = (cause: unknown): WeftError =>
  new WeftError(
    'no_websocket',
    'This platform has no WebSocket: install the package `ws`, use Node 22 or newer, or pass the option `WebSocket`.',
    cause,
  )

/**
 * The address of the Weft endpoint for a server's URL.
 * @throws {WeftError} `invalid_url`
 */
export const endpoint = (url: string): string => {
  const page: { location?: { href?: string } } = globalThis
  let parsed: URL
  try {
    parsed = new URL(url, page.location?.href)
  } catch (cause) {
    throw new WeftError('invalid_url', `The option url is not a URL: ${url}`, cause)
  }
  if (parsed.protocol === 'http:') parsed.protocol = 'ws:'
  if (parsed.protocol === 'https:') parsed.protocol = 'wss:'
  if (parsed.protocol !== 'ws:' && parsed.protocol !== 'wss:') {
    throw new WeftError(
      'invalid_url',
      `The option url begins with ${parsed.protocol} and needs ws:, wss:, http: or https:`,
    )
  }
  // A WebSocket constructor throws on a fragment.
  parsed.hash = ''
  if (!parsed.pathname.endsWith('/v1/connect'))
    parsed.pathname = `${parsed.pathname.replace(/\/+$/, '')}/v1/connect`
  return parsed.href
}

/** The bytes of a message, or null when it is text. */
export const bytesOf = (data: unknown): Uint8Array | null => {
  if (data instanceof ArrayBuffer) return new Uint8Array(data)
  return data instanceof Uint8Array ? data : null
}
