import type { Revocation } from '../auth/index.js'
import type { RoomId, Seq } from '../ids.js'

/** A room as the store knows it. */
export interface RoomRow {
  readonly id: RoomId
  /** Changes when the room is deleted and made again; fences commits of nodes that missed it. */
  readonly epoch: number
  /** The seq of the newest committed event, 0 in an empty room. */
  readonly headSeq: Seq
}

/** One durable event on its way into the log. */
export interface CommitEntry {
  readonly roomId: RoomId
  readonly epoch: number
  readonly kind: 'update' | 'message'
  /** The verified user id, or null for an anonymous one. */
  readonly author: string | null
  /** 32 lower-case hex digits (128 bits), or null for a client that has none (stock Yjs providers). */
  readonly clientId: string | null
  /** The client's own number for this event; null without a client id. */
  readonly clientSeq: number | null
  /** The message's name; null for an update. */
  readonly name: string | null
  /** A Yjs update (v1 encoding), or the MessagePack bytes of a message's payload. */
  readonly payload: Uint8Array
  /** An update that is committed only as the first content of its room. Default: false. */
  readonly seed?: boolean
}

/**
 * What became of one entry.
 * - `committed`: it is in the log as `seq`.
 * - `duplicate`: a message or seed that was in the log already, as `seq`: a retry.
 * - `conflict`: the key of the message or seed is in the log, as `seq`, with another name or payload. Not stored.
 * - `not_empty`: a seed of a room that has an update already, or a snapshot with content. Not stored.
 * - `fenced`: the room has another epoch now, or is gone. Not stored.
 */
export type CommitResult =
  | { readonly status: 'committed' | 'duplicate' | 'conflict'; readonly seq: Seq }
  | { readonly status: 'fenced' | 'not_empty' }

/** One event read back from the log. */
export interface StoredEvent {
  readonly seq: Seq
  readonly kind: 'update' | 'message'
  readonly author: string | null
  readonly clientId: string | null
  readonly clientSeq: number | null
  readonly name: string | null
  readonly payload: Uint8Array
  /** When it was committed, in milliseconds since 1970. */
  readonly createdAt: number
}

/** A room in one of its lives. */
export type RoomLife = Pick<RoomRow, 'id' | 'epoch'>

/** Which messages of a room are wanted. */
export interface MessageRange {
  /** Those with a greater seq, the oldest first; null for the newest. */
  readonly after: Seq | null
  /** Those with a lower seq; null for no bound. */
  readonly before: Seq | null
  /** Messages, at most. */
  readonly limit: number
  /** Their bytes together, at most, with what they cost on the wire beside their payloads; the first one always comes. */
  readonly maxBytes: number
}

export interface MessagePage {
  /** In seq order. */
  readonly messages: readonly StoredEvent[]
  /** Whether the range holds further ones. */
  readonly more: boolean
}

/** What the journal needs of the store: one batch, one round trip. */
export interface CommitLog {
  /**
   * Appends a batch in one transaction and one round trip (`weft_commit` in the migrations): locks the rooms in
   * id order, recognises retried messages, numbers, inserts, commits. Results stand in the order of the entries.
   * @throws {StoreError}
   */
  commit(entries: readonly CommitEntry[]): Promise<CommitResult[]>
}

/** The newest seq and epoch of rooms that exist. */
export type Heads = Map<RoomId, { readonly headSeq: Seq; readonly epoch: number }>

/** What a node's sweep finds. */
export interface Swept {
  readonly heads: Heads
  /** The database's clock, in milliseconds since 1970. */
  readonly now: number
  /** The rows of the other nodes: until when each is alive unless it renews its row, on the same clock. */
  readonly aliveUntil: ReadonlyMap<string, number>
}

/** A part of what was decided about users. */
export interface RevocationPage {
  readonly revocations: readonly Revocation[]
  /** Where the next page begins, on the database's clock; null where there is nothing. */
  readonly next: string | null
  readonly more: boolean
}

/** The event log and the rooms, in PostgreSQL or in the embedded PGlite. */
export interface Store extends CommitLog {
  /** The room of that name, made if it does not exist. @throws {StoreError} */
  openRoom(tenant: string, name: string): Promise<RoomRow>
  /**
   * Deletes a room: commits to it are fenced from now on, and the name is free for a new one.
   * @returns the room that was deleted, null when there was none
   * @throws {StoreError}
   */
  deleteRoom(tenant: string, name: string): Promise<RoomId | null>
  /**
   * Events `after < seq <= upTo` in order, at most `limit` of them, and fewer when they are large; at least one if there is
   * any.
   * @throws {StoreError}
   */
  readEvents(roomId: RoomId, after: Seq, upTo: Seq, limit: number): Promise<StoredEvent[]>
  /**
   * Durable messages of a room: with `after` the first of the range, without it the last.
   * @returns null when the room is gone, or has another epoch
   * @throws {StoreError}
   */
  readMessages(room: RoomLife, range: MessageRange): Promise<MessagePage | null>
  /** The newest seq and epoch of each room that still exists. @throws {StoreError} */
  heads(roomIds: readonly RoomId[]): Promise<Heads>
  /**
   * The same, and in the same round trip: renews the row of this node, and reads those of the others.
   * @param node names this run of the node
   * @param leaseMs milliseconds for which this node is alive from now on, unless it renews its row
   * @throws {StoreError}
   */
  sweep(node: string, leaseMs: number, roomIds: readonly RoomId[]): Promise<Swept>
  /** This node stops: its row goes. @throws {StoreError} */
  removeNode(node: string): Promise<void>
  /** Removes the rows of nodes that have been dead for so many milliseconds. @throws {StoreError} */
  removeDeadNodes(deadForMs: number): Promise<void>
  /** Keeps what was decided about a user, unless something later is kept. @throws {StoreError} */
  revoke(revocation: Revocation): Promise<void>
  /**
   * What was decided about users, in the order in which it was kept.
   * @param since `next` of an earlier page; null for the first
   * @param lookbackMs how much before it the page begins: what is kept at the same moment may be seen later than what follows it
   * @throws {StoreError}
   */
  revocations(since: string | null, lookbackMs: number): Promise<RevocationPage>
  /** Forgets what was decided before a time, in milliseconds since 1970. @throws {StoreError} */
  removeRevocations(before: number): Promise<void>
  /** Keeps an event that cannot be stored for a person to look at (`quarantined_events`). @throws {StoreError} */
  quarantine(event: { roomId: RoomId; payload: Uint8Array; reason: string }): Promise<void>
  /** Names the database: the same for all nodes on it, and no other. @throws {StoreError} */
  clusterId(): Promise<string>
  /** Resolves when the database answers. @throws {StoreError} */
  ping(): Promise<void>
  /** How the doc workers connect on their own; see `openStore`. */
  readonly connection: StoreConnection
  close(): Promise<void>
}

/** Structured-cloneable: what a worker thread needs to connect to the same database. */
export type StoreConnection =
  | { readonly kind: 'postgres'; readonly url: string }
  | { readonly kind: 'embedded'; readonly socketPath: string }

/**
 * A failed store call.
 * - `transient`: the database is away, restarting, overloaded or timed out; for a commit, it may or may not have
 *   happened. Trying again is right.
 * - `rejected`: retrying cannot mend it (SQLSTATE classes 22, 23 and 54: bad data).
 */
export class StoreError extends Error {
  override readonly name = 'StoreError'
  readonly kind: 'transient' | 'rejected'
  /** The SQLSTATE, when the database gave one. */
  readonly sqlState: string | null
  /** Private, so that no logger finds it. */
  readonly #detail: string | null

  /** @param options `detail`: see there */
  constructor(
    kind: 'transient' | 'rejected',
    message: string,
    sqlState: string | null,
    options?: ErrorOptions & { readonly detail?: string },
  ) {
    super(message, options)
    this.kind = kind
    this.sqlState = sqlState
    this.#detail = options?.detail ?? null
  }

  /** What the database said, which may quote what it was given: for the database, never for a log or a client. */
  get detail(): string {
    return this.#detail ?? this.message
  }
}
