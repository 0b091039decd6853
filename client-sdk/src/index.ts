/** The Weft client SDK: shared documents and presence with exact acknowledgements. */
export { createClient } from './client.js'
export { systemClock, type Clock } from './clock.js'
export { defaultTiming, type Timing } from './connection-states.js'
export { shallowEqual } from './equality.js'
export type { Unsubscribe } from './emitter.js'
export { WeftError } from './errors.js'
export type { DurableEvent, EventHistory, EventOf, HistoryQuery, RoomEventLog } from './event-types.js'
export type { LostConnection } from './lost-connection.js'
export type {
  Auth,
  Broadcast,
  Client,
  ClientEvents,
  ClientOptions,
  ConnectionInfo,
  ConnectionStatus,
  Logger,
  Other,
  PresenceEvents,
  Rejection,
  Reset,
  Room,
  RoomEvents,
  RoomOptions,
  RoomPresence,
  RoomStatus,
} from './types.js'
export type { Persistence } from './persistence.js'
export type { WebSocketConstructor, WebSocketLike } from './websocket.js'
export type { Access } from '@weft/protocol'
