/** The edge: sockets, HTTP, dialects. */
export { Gateway, type GatewayObserver } from './gateway.js'
export { type RoomChannel } from './channel.js'
export { type GatewayLimits, type SessionContext } from './session.js'
export type { HttpAnswer, PageRequest } from './http.js'
export { checkPortIsFree } from './port.js'
export { loadUws } from './uws.js'
