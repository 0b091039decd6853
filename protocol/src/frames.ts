import type { SessionLimits } from './limits.js'

/**
 * Frame types: the first element of every frame. 1 to 15 are sent by clients, 16 to 63 by servers; PING and PONG go
 * both ways. Both sides ignore types that they do not know (P4).
 */
export const FrameType = {
  hello: 1,
  join: 2,
  leave: 3,
  update: 4,
  presence: 5,
  append: 6,
  broadcast: 7,
  auth: 8,
  ping: 9,
  pong: 10,
  history: 11,
  seed: 12,
  welcome: 16,
  joined: 17,
  sync: 18,
  updates: 19,
  ack: 20,
  nack: 21,
  presences: 22,
  event: 23,
  broadcasted: 24,
  watermark: 25,
  left: 26,
  error: 27,
  authed: 28,
  drain: 29,
  historyPage: 30,
  users: 31,
  access: 32,
} as const

/** What a member may do in a room. */
export type Access = 'read' | 'write'

/** First frame of a connection. `[1, version, token, clientId, agent]` */
export interface HelloFrame {
  readonly type: 'hello'
  readonly version: number
  /** A JWT, or null where the server needs none. */
  readonly token: string | null
  /** 16 random bytes, one per tab or process, kept across its reconnects: it makes retries recognisable. */
  readonly clientId: Uint8Array
  /** Name and version of the client's software, for the server's log. */
  readonly agent: string
}

/** `[2, request, room, epoch, after, stateVector]` */
export interface JoinFrame {
  readonly type: 'join'
  /** Chosen by the client; comes back in JOINED or ERROR. */
  readonly request: number
  readonly room: string
  /** The epoch of the state that the client holds, or null. */
  readonly epoch: number | null
  /** Resume: the last watermark that the client holds, or null. */
  readonly after: number | null
  /** The client's Yjs state vector, or null: the server then sends what it lacks. Not used when resuming. */
  readonly stateVector: Uint8Array | null
}

/** `[3, room]` */
export interface LeaveFrame {
  readonly type: 'leave'
  readonly room: number
}

/** A change of the document. `[4, room, n, update]` */
export interface UpdateFrame {
  readonly type: 'update'
  readonly room: number
  /** The client's number, from 1, shared with APPEND, without gaps per client and room. */
  readonly n: number
  /** A Yjs update, v1 encoding. */
  readonly update: Uint8Array
}

/** The sender's own presence. `[5, room, awareness]` */
export interface PresenceFrame {
  readonly type: 'presence'
  readonly room: number
  /** A y-protocols awareness update. */
  readonly awareness: Uint8Array
}

/** A durable message. `[6, room, n, name, payload]` */
export interface AppendFrame {
  readonly type: 'append'
  readonly room: number
  readonly n: number
  readonly name: string
  /** The MessagePack bytes of the payload, as they stand in the frame. */
  readonly payload: Uint8Array
}

/** An ephemeral message. `[7, room, name, payload]` */
export interface BroadcastFrame {
  readonly type: 'broadcast'
  readonly room: number
  readonly name: string
  readonly payload: Uint8Array
}

/** A new token for the running connection. `[8, token]` */
export interface AuthFrame {
  readonly type: 'auth'
  readonly token: string
}

/** `[9, id]`; the other side answers PONG with the same id. */
export interface PingFrame {
  readonly type: 'ping'
  readonly id: number
}

/** `[10, id]` */
export interface PongFrame {
  readonly type: 'pong'
  readonly id: number
}

/** Asks for durable messages of the room's past. `[11, request, room, after, before, limit]` */
export interface HistoryFrame {
  readonly type: 'history'
  /** Chosen by the client, as in JOIN; comes back in HISTORY_PAGE or ERROR. */
  readonly request: number
  readonly room: number
  /** Messages with a greater seq, the oldest of them first; null for the newest ones. */
  readonly after: number | null
  /** Messages with a lower seq; null for no bound. */
  readonly before: number | null
  /** Messages wanted, from 1 to `WireLimits.historyLimit`. */
  readonly limit: number
}

/** A change of the document that counts only if it is the first (P54). `[12, room, n, update]` */
export interface SeedFrame {
  readonly type: 'seed'
  readonly room: number
  /** The client's number, shared with UPDATE and APPEND. */
  readonly n: number
  /** A Yjs update, v1 encoding. */
  readonly update: Uint8Array
}

/** A frame of a type that this side does not know. It is ignored (P4). */
export interface UnknownFrame {
  readonly type: 'unknown'
  readonly number: number
}

/** `[16, version, session, node, user, heartbeat, limits]` */
export interface WelcomeFrame {
  readonly type: 'welcome'
  readonly version: number
  /** Names this connection in the server's log. */
  readonly session: string
  /** Names the server process. */
  readonly node: string
  /** The verified user id, or null for an anonymous one. */
  readonly user: string | null
  /** Both sides send something at least this often, in milliseconds, and give up after twice as long without. */
  readonly heartbeat: number
  readonly limits: SessionLimits
}

/** `[17, request, room, epoch, head, access, mode, stateVector]` */
export interface JoinedFrame {
  readonly type: 'joined'
  readonly request: number
  /** The room's number on this node, used in every other frame of this connection. */
  readonly room: number
  readonly epoch: number
  /** The seq of the newest committed event. */
  readonly head: number
  readonly access: Access
  /**
   * What follows in SYNC frames. `full`: the whole state. `resume`: what came after the client's watermark.
   * `diff`: what the client's state vector lacks. In `full` and `diff` the client sends what `stateVector` lacks.
   */
  readonly mode: SyncMode
  /** The Yjs state vector of what is committed. */
  readonly stateVector: Uint8Array
}

/** See {@link JoinedFrame.mode}. */
export type SyncMode = 'full' | 'resume' | 'diff'

/**
 * A piece of the initial state. `[18, room, part, data]`
 * `more`: the update goes on in the next SYNC frame. `update`: the pieces so far are one Yjs update. `done`: likewise,
 * and the client now has everything up to JOINED's head. Empty data is no update.
 */
export interface SyncFrame {
  readonly type: 'sync'
  readonly room: number
  readonly part: SyncPart
  readonly data: Uint8Array
}

/** See {@link SyncFrame}. */
export type SyncPart = 'more' | 'update' | 'done'

/** Changes of the document by others. `[19, room, updates]` */
export interface UpdatesFrame {
  readonly type: 'updates'
  readonly room: number
  readonly updates: readonly Uint8Array[]
}

/** `[20, room, n, seq]`: everything of this client up to n is committed, n itself as `seq`. */
export interface AckFrame {
  readonly type: 'ack'
  readonly room: number
  readonly n: number
  readonly seq: number
}

/** `[21, room, n, code, message]`: change n was refused, and is not part of the room. */
export interface NackFrame {
  readonly type: 'nack'
  readonly room: number
  readonly n: number
  readonly code: string
  readonly message: string
}

/** Presence of the room's members. `[22, room, awareness]` */
export interface PresencesFrame {
  readonly type: 'presences'
  readonly room: number
  readonly awareness: Uint8Array
}

/** A durable message as it stands in the log. */
export interface DurableMessage {
  readonly seq: number
  readonly author: string | null
  readonly clientId: Uint8Array
  readonly n: number
  /** When it was committed, in milliseconds since 1970. */
  readonly time: number
  readonly name: string
  readonly payload: Uint8Array
}

/** A durable message, in seq order, once. `[23, room, seq, author, clientId, n, time, name, payload]` */
export interface EventFrame extends DurableMessage {
  readonly type: 'event'
  readonly room: number
}

/** An ephemeral message. `[24, room, author, name, payload]` */
export interface BroadcastedFrame {
  readonly type: 'broadcasted'
  readonly room: number
  readonly author: string | null
  readonly name: string
  readonly payload: Uint8Array
}

/** `[25, room, seq]`: every event up to `seq` has been sent on this connection; resume from here. */
export interface WatermarkFrame {
  readonly type: 'watermark'
  readonly room: number
  readonly seq: number
}

/** The end of a membership: the answer to LEAVE (code `left`), or the server's decision. `[26, room, code, message]` */
export interface LeftFrame {
  readonly type: 'left'
  readonly room: number
  readonly code: string
  readonly message: string
}

/** `[27, request, code, message, retryAfter]`: a JOIN was refused, or (request null) the connection is about to end. */
export interface ErrorFrame {
  readonly type: 'error'
  readonly request: number | null
  readonly code: string
  readonly message: string
  /** Milliseconds to wait before trying again; 0 where the server gives no advice. */
  readonly retryAfter: number
}

/** `[28, user, expires]`: the new token is in force. */
export interface AuthedFrame {
  readonly type: 'authed'
  readonly user: string | null
  /** When the token expires, in milliseconds since 1970; null for never. */
  readonly expires: number | null
}

/** `[29, delay]`: the node is shutting down: reconnect after `delay` milliseconds. */
export interface DrainFrame {
  readonly type: 'drain'
  readonly delay: number
}

/** Messages of the room's past, in seq order. `[30, request, room, [[seq, author, clientId, n, time, name, payload], ...], more]` */
export interface HistoryPageFrame {
  readonly type: 'historyPage'
  readonly request: number
  readonly room: number
  readonly events: readonly DurableMessage[]
  /** Whether there are more of those that were asked for, beyond this page. */
  readonly more: boolean
}

/** A presence id and the verified user id of its connection, null for an anonymous one. */
export interface PresenceUser {
  readonly id: number
  readonly user: string | null
}

/** Whose the ids in PRESENCES are. `[31, room, [[id, user], ...]]` */
export interface UsersFrame {
  readonly type: 'users'
  readonly room: number
  readonly users: readonly PresenceUser[]
}

/** What the client may do in the room has changed. `[32, room, access, message]` */
export interface AccessFrame {
  readonly type: 'access'
  readonly room: number
  readonly access: Access
  /** Why, for a person to read. */
  readonly message: string
}

/** Every frame that a client sends. */
export type ClientFrame =
  | HelloFrame
  | JoinFrame
  | LeaveFrame
  | UpdateFrame
  | PresenceFrame
  | AppendFrame
  | BroadcastFrame
  | AuthFrame
  | PingFrame
  | PongFrame
  | HistoryFrame
  | SeedFrame

/** Every frame that a server sends. */
export type ServerFrame =
  | WelcomeFrame
  | JoinedFrame
  | SyncFrame
  | UpdatesFrame
  | AckFrame
  | NackFrame
  | PresencesFrame
  | EventFrame
  | BroadcastedFrame
  | WatermarkFrame
  | LeftFrame
  | ErrorFrame
  | AuthedFrame
  | DrainFrame
  | HistoryPageFrame
  | UsersFrame
  | AccessFrame
  | PingFrame
  | PongFrame
