/** Rooms: what relays, journals and acknowledges changes, without sockets and without a Y.Doc. */
export { BaseMemory } from './base-memory.js'
export { NodeWatch, type WatchedRoom } from './node-watch.js'
export { readPage } from './room-log.js'
export type { RoomContext, RoomOptions } from './context.js'
export { Room } from './room.js'
export { Rooms, type RoomHold, type RoomsOptions } from './rooms.js'
export { Sweep } from './sweep.js'
export type { RoomMember, RoomObserver, RoomOutput } from './types.js'
