declare const roomIdBrand: unique symbol

/** The number of a room in the store (`rooms.id`). Not the room number on the wire, which is per node. */
export type RoomId = number & { readonly [roomIdBrand]: true }

/** Marks a number that came from `rooms.id` as a room id. */
export const asRoomId = (id: number): RoomId => id as RoomId

/**
 * A position in a room's event log: dense, from 1, given by Postgres in the commit (I2).
 * 0 means "before the first event".
 */
export type Seq = number
