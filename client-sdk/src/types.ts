import type { Access } from '@weft/protocol'
import type { Awareness } from 'y-protocols/awareness'
import type * as Y from 'yjs'
import type { Clock } from './clock.js'
import type { Timing } from './connection-states.js'
import type { Unsubscribe } from './emitter.js'
import type { WeftError } from './errors.js'
import type { RoomEventLog } from './event-types.js'
import type { LostConnection } from './lost-connection.js'
import type { Persistence } from './persistence.js'
import type { WebSocketConstructor } from './websocket.js'

/** Where the SDK reports what nobody awaits. `console` fits. */
export interface Logger {
  /** Something went wrong, and the client copes. */
  warn(message: string, detail?: unknown): void
  /** Something failed: a listener that threw, an update that did not apply. */
  error(message: string, detail?: unknown): void
}

/**
 * A token, or a function that brings one. It is called for each connection, and on a running connection before a JSON
 * Web Token expires (`timing.refreshBefore`), so that a token is fresh.
 */
export type Auth = string | (() => string | null | Promise<string | null>)

/** Options of {@link createClient}. */
export interface ClientOptions {
  /**
   * The server: `ws://`, `wss://`, `http://` or `https://`. The path `/v1/connect` is added unless it is there. In a
   * browser a relative URL is taken from the page's.
   */
  readonly url: string
  /** Default: no token. A function that throws or rejects is tried again with backoff. */
  readonly auth?: Auth | undefined
  /** Default: `globalThis.WebSocket`, and in a Node without one the `ws` package, if it is installed. */
  readonly WebSocket?: WebSocketConstructor | undefined
  /** Connect without waiting for {@link Client.connect}. Default: true. */
  readonly autoConnect?: boolean | undefined
  /** Timeouts and retry delays, in milliseconds; those that are left out keep their defaults. */
  readonly timing?: Partial<Timing> | undefined
  /** At most one presence frame of a room per this many milliseconds. Default: 33. */
  readonly presenceInterval?: number | undefined
  /**
   * After so many milliseconds without activity, and at once when the page is hidden, the presence shows `idle: true`
   * beside the application's own fields. Activity: the pointer, the keyboard, `presence.set()`, local edits. Default:
   * null, never.
   */
  readonly idleAfter?: number | null | undefined
  /** Name and version of the application, for the server's log. Default: `@weft/client`. */
  readonly agent?: string | undefined
  /**
   * Where documents and unsent changes outlive the page: `indexedDB(...)` of `@weft/client/offline`. Default: nowhere.
   */
  readonly persistence?: Persistence | undefined
  /** From 0 to below 1. Default: `Math.random`. */
  readonly random?: (() => number) | undefined
  /** Default: the system's. */
  readonly clock?: Clock | undefined
  /** Default: `console`. */
  readonly logger?: Logger | undefined
}

/** What the connection is doing, in one word. The README draws how they follow each other. */
export type ConnectionStatus =
  | 'idle'
  | 'authenticating'
  | 'connecting'
  | 'connected'
  | 'draining'
  | 'reconnecting'
  | 'offline'
  | 'denied'
  | 'closed'

/** {@link ConnectionStatus} and what belongs to it. */
export type ConnectionInfo =
  | { readonly status: 'idle' | 'authenticating' | 'connecting' | 'connected' | 'closed' }
  | {
      /** `offline`: the platform says that there is no network. It is tried all the same, rarely. */
      readonly status: 'reconnecting' | 'offline'
      /** Failed attempts since the last lasting connection, from 1. */
      readonly attempt: number
      /** Milliseconds from the start of this state to the next attempt. */
      readonly delay: number
      /** When the next attempt begins, in milliseconds since 1970. */
      readonly at: number
      readonly reason: WeftError
    }
  | {
      /** Connected to a node that shuts down. */
      readonly status: 'draining'
      /** When the client leaves it for another, in milliseconds since 1970. */
      readonly at: number
    }
  | { readonly status: 'denied'; readonly reason: WeftError }

/** Events of a {@link Client}. */
export interface ClientEvents {
  status: ConnectionInfo
  /** What to tell a user of the connection: a short loss is left out. */
  'lost-connection': LostConnection
  /** A new round trip time, in milliseconds. */
  latency: number
  /**
   * What the server reported outside of any room, a fault of its frames, or a token that could not be renewed
   * (`auth_failed`). The client goes on by itself.
   */
  error: WeftError
}

/** A connection to a Weft server, and the rooms on it. */
export interface Client {
  readonly status: ConnectionStatus
  readonly connection: ConnectionInfo
  /** Round trip time of the last ping in milliseconds; null until there is one. */
  readonly latency: number | null
  /** The verified user id that the server knows this client as; null when anonymous or not connected yet. */
  readonly user: string | null
  /** Changes of all rooms that are not acknowledged. */
  readonly unsaved: number
  /**
   * Enters a room. Rooms are counted: the same name gives the same room, which is left when `leave()` was called as
   * often as `room()`. The type parameters are the caller's claim about what members show and send.
   * @throws {WeftError} `invalid_room_name`, `client_closed`, `room_in_use` (the room is open with another document)
   */
  room<
    Presence extends object = Record<string, unknown>,
    Events extends object = Record<string, unknown>,
    Broadcasts extends object = Record<string, unknown>,
  >(
    name: string,
    options?: RoomOptions,
  ): Room<Presence, Events, Broadcasts>
  /** Connects now, also out of a wait, after `disconnect()` and after `denied`. */
  connect(): void
  /** Ends the connection and stays so until `connect()`. Rooms keep their documents and unsaved changes. */
  disconnect(): void
  /** Leaves everything, for good. Changes that are not acknowledged are given up: `await room.saved()` before. */
  close(): void
  /** Listens to one of {@link ClientEvents}, until the function that it returns is called. */
  on<K extends keyof ClientEvents>(event: K, listener: (payload: ClientEvents[K]) => void): Unsubscribe
}

/** Options of {@link Client.room}. */
export interface RoomOptions {
  /** A document of the caller's. What it holds is merged into the room. Default: a new one. */
  readonly doc?: Y.Doc | undefined
}

/**
 * What a room is doing. `offline`: not connected. `joining`: asked, or about to ask again. `syncing`: the state is
 * coming. `live`: the state is here and changes flow. `denied`: refused, see the `error` event. `left`: over.
 */
export type RoomStatus = 'offline' | 'joining' | 'syncing' | 'live' | 'denied' | 'left'

/** A change that the server refused for good, and what became of it. */
export type Rejection = {
  /** The change's number. */
  readonly n: number
  /** Why: a code of the protocol's error table. */
  readonly code: string
  readonly message: string
} & (
  | {
      readonly kind: 'update'
      /** The refused Yjs update: apply it to a copy of the document to see what it was. */
      readonly update: Uint8Array
      /**
       * `discarded`: its content was taken out of the document, and what was typed since stays. `reset`: that could not
       * be done in place, and the document was replaced: a `reset` event follows.
       */
      readonly outcome: 'discarded' | 'reset'
    }
  | {
      readonly kind: 'event'
      readonly name: string
      readonly payload: unknown
      /** It is not in the log. Its `append` rejects too. */
      readonly outcome: 'dropped'
    }
)

/** `room.doc` and `room.awareness` were replaced: bind editors to the new ones. */
export interface Reset {
  /**
   * `recreated`: the room was deleted and made again, and its old document has no meaning there. `rejected`: changes
   * were refused that could not be undone in place.
   */
  readonly reason: 'recreated' | 'rejected'
  readonly doc: Y.Doc
  readonly awareness: Awareness
  /** The document before, no longer connected to anything. It is not destroyed. */
  readonly previous: Y.Doc
  /** The changes that are lost with it, oldest first, as Yjs updates of `previous`. */
  readonly unsaved: readonly Uint8Array[]
}

/** Events of a {@link Room}. */
export interface RoomEvents<Presence extends object = Record<string, unknown>> {
  status: RoomStatus
  /** What the client may do in the room has changed, as far as the server has told. */
  access: Access | null
  /** The room's state is here: at first, and after each reconnect. */
  synced: undefined
  /** The last unsaved change was acknowledged. */
  saved: undefined
  /** The number of unsaved changes has changed. */
  unsaved: number
  /** Somebody else came, changed or went. */
  presence: readonly Other<Presence>[]
  rejected: Rejection
  reset: Reset
  error: WeftError
}

/** A member other than this one. */
export interface Other<Presence extends object> {
  /** The Yjs client id, as editor bindings use it. */
  readonly clientId: number
  /** The verified user id, from the member's token; null when anonymous. */
  readonly user: string | null
  /** Whether the member is away: its client has the option `idleAfter`, or shows the field `idle` itself. */
  readonly idle: boolean
  /** What the member shows. Any field may be missing: members start empty, and other software may share the room. */
  readonly presence: Readonly<Partial<Presence>>
}

/** Who is in a room, and what they show. Best effort and not stored. */
export interface RoomPresence<Presence extends object> {
  /** What this client shows. */
  get(): Readonly<Partial<Presence>>
  /** Changes the given fields and keeps the rest. Sent at once, then at most every `presenceInterval`. */
  set(partial: Readonly<Partial<Presence>>): void
  /** The others, in the order in which they came. The same array until something changes, the same objects too. */
  readonly others: readonly Other<Presence>[]
  /** Whether this client shows that its user is away. */
  readonly idle: boolean
  /**
   * `join`: somebody is here who was not. `leave`: somebody has gone; what was shown last. `update`: somebody shows
   * something else, or as another user. When the connection is lost, all others leave.
   */
  on<K extends keyof PresenceEvents<Presence>>(
    event: K,
    listener: (other: PresenceEvents<Presence>[K]) => void,
  ): Unsubscribe
  /**
   * Calls the listener when what the selector takes from the others has changed, and only then: a moving cursor
   * bothers only those who select it.
   * @param isEqual default: `Object.is`; `shallowEqual` for selectors that make arrays or objects
   */
  subscribe<T>(
    selector: (others: readonly Other<Presence>[]) => T,
    listener: (selected: T, previous: T) => void,
    isEqual?: (a: T, b: T) => boolean,
  ): Unsubscribe
}

/** Events of a {@link RoomPresence}. */
export interface PresenceEvents<Presence extends object> {
  join: Other<Presence>
  leave: Other<Presence>
  update: Other<Presence>
}

/** An ephemeral message: not stored, not ordered, and not for those who were away. */
export interface Broadcast<Name extends string = string, Payload = unknown> {
  readonly name: Name
  readonly payload: Payload
  /** The verified user who sent it; null for an anonymous one. */
  readonly author: string | null
}

declare const types: unique symbol

/** One shared document and who is in it. */
export interface Room<
  Presence extends object = Record<string, unknown>,
  Events extends object = Record<string, unknown>,
  Broadcasts extends object = Record<string, unknown>,
> {
  readonly name: string
  /** The shared document: bind any Yjs editor. Replaced by the `reset` event only. */
  readonly doc: Y.Doc
  /** For editor bindings; the same data as {@link presence}. Replaced by the `reset` event only. */
  readonly awareness: Awareness
  readonly presence: RoomPresence<Presence>
  /** The durable, ordered messages of the room. */
  readonly events: RoomEventLog<Events>
  readonly status: RoomStatus
  /**
   * What the server last told that the client may do; null until the room has been joined, and after it was refused. A
   * grant that becomes narrower is told with the first change that it refuses.
   */
  readonly access: Access | null
  /** Local edits (Yjs transactions), events and seeds that the server has not acknowledged as committed. Exact. */
  readonly unsaved: number
  /**
   * Resolves when the room's first full state is here.
   * @throws {WeftError} when the room is refused or left, or the connection denied
   */
  synced(): Promise<void>
  /**
   * Resolves when every local change made before this call is committed in the server's database.
   * @throws {WeftError} when one of them is refused (its code), given up by `leave()` or `close()`, or lost by a reset
   */
  saved(): Promise<void>
  /**
   * Resolves when what was kept of the room on this device is in `doc`: true; or with false when there is nothing.
   * Never rejects.
   */
  loaded(): Promise<boolean>
  /**
   * Resolves with true when every local change made before this call is kept on this device, and outlives the page; with
   * false when it is not: without `persistence`, or when the device does not take it. Never rejects.
   */
  stored(): Promise<boolean>
  /**
   * Sends a message to whoever is in the room now, except this client.
   * @returns false when it was dropped: not in the room now, or the socket has enough to do
   * @throws {WeftError} `invalid_payload`, `too_large`, `forbidden`
   */
  broadcast<Name extends keyof Broadcasts & string>(name: Name, payload: Broadcasts[Name]): boolean
  /** Hears the messages that others broadcast under a name. */
  onBroadcast<Name extends keyof Broadcasts & string>(
    name: Name,
    listener: (message: Broadcast<Name, Broadcasts[Name]>) => void,
  ): Unsubscribe
  /**
   * Fills the room if its document has never been written to: of all who try, at whatever moment, one does. The content
   * appears in `doc` when the server has committed it, also after a time offline; edits made meanwhile come after it.
   * @param fill writes the content into an empty document of its own
   * @returns whether it was this call's content that the room got
   * @throws {WeftError} when the server refuses the content (`too_large`, `forbidden`), or it was given up
   */
  seed(fill: (doc: Y.Doc) => void): Promise<boolean>
  /**
   * Gives back one `client.room(name)`. After the last one the presence ends at once, and the membership as soon as
   * every change is acknowledged.
   */
  leave(): void
  /** Listens to one of {@link RoomEvents}, until the function that it returns is called. */
  on<K extends keyof RoomEvents<Presence>>(
    event: K,
    listener: (payload: RoomEvents<Presence>[K]) => void,
  ): Unsubscribe
  /** Types only, absent at run time: ties the type parameters to the room. */
  readonly [types]?: { readonly presence: Presence; readonly events: Events; readonly broadcasts: Broadcasts }
}
