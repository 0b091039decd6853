import type { RoomWire } from '@weft/protocol'
import type { WeftError } from './errors.js'
import type { Member } from './memberships.js'
import type { Room } from './types.js'

/** A room with its shapes forgotten: what the client keeps. */
export interface RoomCore extends Room, Member {
  /** One more `client.room(name)`; takes a room back that is only waiting for its last acks. */
  retain(): void
  /** Ends the room now, with whatever is not acknowledged. */
  end(error: WeftError): void
  /** The user came or went. */
  setIdle(idle: boolean): void
  /** The connection is there. */
  up(): void
  /** The connection is gone. */
  down(): void
  /** The connection was refused for good: nothing comes until somebody acts. */
  connectionDenied(error: WeftError): void
}

/** The fields of a frame after its type and its room's number. */
type FieldsOf<Frame> = Frame extends readonly [unknown, unknown, ...infer Fields] ? Fields : never

/** What a room does with each type of frame. */
export type RoomReceivers = {
  readonly [Type in RoomWire[0]]: (
    ...fields: FieldsOf<Extract<RoomWire, readonly [type: Type, ...fields: unknown[]]>>
  ) => void
}
