/* What Node asks of sockets. Pages get `socket-page.ts` in its place: see `browser` in package.json. */
import { WeftError } from './errors.js'
import type { WebSocketConstructor, WebSocketLike } from './websocket.js'

/** How long a closing handshake may take before a socket is ended without it, in milliseconds. */
const closeGrace = 1_000

/** The WebSocket of the optional `ws` package. @throws {WeftError} `no_websocket` */
export const findElsewhere = async (): Promise<WebSocketConstructor> => {
  // Not a literal, so that no bundler takes `ws` along.
  const name = 'ws'
  let cause
  try {
    const module: unknown = await import(/* @vite-ignore */ /* webpackIgnore: true */ name)
    const { WebSocket } = module as { WebSocket?: WebSocketConstructor }
    if (WebSocket !== undefined) return WebSocket
  } catch (thrown) {
    cause = thrown
  }
  throw new WeftError(
    'no_websocket',
    'This platform has no WebSocket: install the package `ws`, use Node 22 or newer, or pass the option `WebSocket`.',
    cause,
  )
}

/** `ws` waits 30 s for a dead peer's half of the closing handshake, and keeps the process alive meanwhile. */
export const endSoon = (socket: WebSocketLike): void => {
  if (socket.terminate === undefined) return
  const timer = setTimeout(() => socket.terminate?.(), closeGrace)
  socket.onclose = () => clearTimeout(timer)
}
