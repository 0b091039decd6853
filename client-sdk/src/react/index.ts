/** React bindings of the Weft client SDK. */
export { WeftProvider, useClient, useConnection, type WeftProviderProps } from './client.js'
export {
  createRoomContext,
  type RoomContext,
  type RoomProviderProps,
  type RoomUseOptions,
  type UseOthers,
  type UseRoom,
} from './room-context.js'
export type { Saved } from './room-hooks.js'
export type { SharedPair, Snapshot } from './snapshot.js'
