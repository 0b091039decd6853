/* In pages: `socket-node.ts` without what only Node needs. */
import { WeftError } from './errors.js'

/** Every browser has one. */
export const findElsewhere = (): never => {
  throw new WeftError('no_websocket', 'this platform has no WebSocket')
}

/** Browsers end the handshake themselves. */
export const endSoon = (): void => undefined
