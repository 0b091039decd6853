/* The durable, ordered messages of a room, as an application meets them. */
import type { Unsubscribe } from './emitter.js'

/** A durable message of a room: committed, with its place in the room's order. */
export interface DurableEvent<Name extends string = string, Payload = unknown> {
  /** Its place in the log: dense with the document's changes, so that numbers in between may be missing here. */
  readonly seq: number
  readonly name: Name
  readonly payload: Payload
  /** The verified user who appended it; null for an anonymous one. */
  readonly author: string | null
  /** The tab or process that appended it, in hexadecimal. */
  readonly clientId: string
  /** Its number at that client. */
  readonly n: number
  /** When it was committed, in milliseconds since 1970, by a server's clock. */
  readonly time: number
  /** Whether this client appended it. */
  readonly own: boolean
}

/** The events of a map from names to payloads. What others append has the shape that they gave it. */
export type EventOf<Events extends object> = {
  [Name in keyof Events & string]: DurableEvent<Name, Events[Name]>
}[keyof Events & string]

/** Which part of the log is wanted. */
export interface HistoryQuery {
  /** Only what is newer than this seq. */
  readonly after?: number | undefined
  /** Only what is older than this seq. Without `after`: the newest of those. */
  readonly before?: number | undefined
  /** At most so many, 1 to 1,000. Default: 100. */
  readonly limit?: number | undefined
}

/** A part of the log, oldest first. */
export interface EventHistory<Events extends object> {
  readonly events: readonly EventOf<Events>[]
  /** Whether there are more in the direction of the query: newer ones with `after`, else older ones. */
  readonly more: boolean
}

/** The durable, ordered messages of a room. */
export interface RoomEventLog<Events extends object> {
  /**
   * Appends a message. It is sent now or when the connection is back, in order with the edits made before and after it,
   * and is in the log once, whatever is sent again. Resolves after the commit.
   * @param payload what MessagePack can say: null, booleans, numbers, strings, Uint8Array, arrays and plain objects
   * @throws {WeftError} `invalid_payload`; a code of the error table when the server refuses it (`too_large`,
   *   `forbidden`); `room_left`, `room_reset`, `client_closed` when it was given up
   */
  append<Name extends keyof Events & string>(
    name: Name,
    payload: Events[Name],
  ): Promise<{ readonly seq: number }>
  /** Hears the events of one name that are committed from now on, own ones too: in seq order, each once. */
  on<Name extends keyof Events & string>(
    name: Name,
    listener: (event: DurableEvent<Name, Events[Name]>) => void,
  ): Unsubscribe
  /** Hears events of every name. */
  onAny(listener: (event: EventOf<Events>) => void): Unsubscribe
  /**
   * Reads the log.
   * @throws {WeftError} `connection_lost` when there is no connection, or a code of the error table
   */
  history(query?: HistoryQuery): Promise<EventHistory<Events>>
}
