/*
 * Frames as they stand on the wire: arrays, in the notation of PROTOCOL.md. `frames.ts` says what their fields mean. The
 * SDK works with these: the names of fields would take more of a page than the codec.
 */
import type { SessionLimits } from './limits.js'

/* Frame types: constants of their own, so that what does not use one does not carry it. */
export const helloFrame = 1
export const joinFrame = 2
export const leaveFrame = 3
export const updateFrame = 4
export const presenceFrame = 5
export const appendFrame = 6
export const broadcastFrame = 7
export const authFrame = 8
export const pingFrame = 9
export const pongFrame = 10
export const historyFrame = 11
export const seedFrame = 12
export const welcomeFrame = 16
export const joinedFrame = 17
export const syncFrame = 18
export const updatesFrame = 19
export const ackFrame = 20
export const nackFrame = 21
export const presencesFrame = 22
export const eventFrame = 23
export const broadcastedFrame = 24
export const watermarkFrame = 25
export const leftFrame = 26
export const errorFrame = 27
export const authedFrame = 28
export const drainFrame = 29
export const historyPageFrame = 30
export const usersFrame = 31
export const accessFrame = 32

/* Fields that stand for one of several words, as the number that is sent. */
/** Of `access`. */
export const writeAccess = 1
/** Of `mode`: what `full` and `diff` are not. */
export const fullMode = 0
export const resumeMode = 1
/** Of `part`. */
export const morePart = 0
export const donePart = 2

type PingPong = readonly [type: typeof pingFrame, id: number] | readonly [type: typeof pongFrame, id: number]

/** What a client sends. */
export type ClientWire =
  | readonly [
      type: typeof helloFrame,
      version: number,
      token: string | null,
      clientId: Uint8Array,
      agent: string,
    ]
  | readonly [
      type: typeof joinFrame,
      request: number,
      room: string,
      epoch: number | null,
      after: number | null,
      stateVector: Uint8Array | null,
    ]
  | readonly [type: typeof leaveFrame, room: number]
  | readonly [type: typeof updateFrame | typeof seedFrame, room: number, n: number, update: Uint8Array]
  | readonly [type: typeof presenceFrame, room: number, awareness: Uint8Array]
  | readonly [type: typeof appendFrame, room: number, n: number, name: string, payload: Uint8Array]
  | readonly [type: typeof broadcastFrame, room: number, name: string, payload: Uint8Array]
  | readonly [type: typeof authFrame, token: string]
  | readonly [
      type: typeof historyFrame,
      request: number,
      room: number,
      after: number | null,
      before: number | null,
      limit: number,
    ]
  | PingPong

/** The last fields of EVENT, and a row of HISTORY_PAGE. */
export type MessageWire = readonly [
  seq: number,
  author: string | null,
  clientId: Uint8Array,
  n: number,
  time: number,
  name: string,
  payload: Uint8Array,
]

export type WelcomeWire = readonly [
  type: typeof welcomeFrame,
  version: number,
  session: string,
  node: string,
  user: string | null,
  heartbeat: number,
  limits: SessionLimits,
]
export type JoinedWire = readonly [
  type: typeof joinedFrame,
  request: number,
  room: number,
  epoch: number,
  head: number,
  access: number,
  mode: number,
  stateVector: Uint8Array,
]
export type ErrorWire = readonly [
  type: typeof errorFrame,
  request: number | null,
  code: string,
  message: string,
  retryAfter: number,
]
export type HistoryPageWire = readonly [
  type: typeof historyPageFrame,
  request: number,
  room: number,
  events: readonly MessageWire[],
  more: boolean,
]

/** Frames whose first field is the number of a room that has been joined. */
export type RoomWire =
  | readonly [type: typeof syncFrame, room: number, part: number, data: Uint8Array]
  | readonly [type: typeof updatesFrame, room: number, updates: readonly Uint8Array[]]
  | readonly [type: typeof ackFrame, room: number, n: number, seq: number]
  | readonly [type: typeof nackFrame, room: number, n: number, code: string, message: string]
  | readonly [type: typeof presencesFrame, room: number, awareness: Uint8Array]
  | readonly [type: typeof eventFrame, room: number, ...message: MessageWire]
  | readonly [
      type: typeof broadcastedFrame,
      room: number,
      author: string | null,
      name: string,
      payload: Uint8Array,
    ]
  | readonly [type: typeof watermarkFrame, room: number, seq: number]
  | readonly [type: typeof leftFrame, room: number, code: string, message: string]
  | readonly [
      type: typeof usersFrame,
      room: number,
      users: readonly (readonly [id: number, user: string | null])[],
    ]
  | readonly [type: typeof accessFrame, room: number, access: number, message: string]

/** What a server sends. */
export type ServerWire =
  | WelcomeWire
  | JoinedWire
  | ErrorWire
  | HistoryPageWire
  | RoomWire
  | readonly [type: typeof authedFrame, user: string | null, expires: number | null]
  | readonly [type: typeof drainFrame, delay: number]
  | PingPong

/** A frame of a type that this side does not know. It is ignored (P4). */
export type UnknownWire = readonly [type: 0, number: number]
