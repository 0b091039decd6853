/*
 * What the client asks of a store that outlives the page. The core knows these types only; `@weft/client/offline`
 * implements them, so that an app without it does not carry it.
 *
 * A store keeps of each room: the document, the changes that are not acknowledged, and where to resume. What it is told
 * within one turn of the event loop becomes durable together or not at all.
 */
import type * as Y from 'yjs'
import type { WeftError } from './errors.js'
import type { LinkOptions } from './link.js'
import type { LocalChanges } from './local-changes.js'
import type { Change } from './outbox.js'
import type { Logger } from './types.js'

/** A change of an earlier visit, or of a tab that is gone. It is sent as it is: it may be committed already (P21, P27). */
export interface KeptChange {
  readonly change: Change
  /** The life of the room that it was made in; null when that was not known yet. */
  readonly epoch: number | null
}

/** What was kept of a room. */
export interface KeptRoom {
  /** Yjs updates that make the document; in any order. */
  readonly updates: readonly Uint8Array[]
  readonly epoch: number | null
  /** The document holds every event up to here. */
  readonly watermark: number | null
}

/** Makes sessions: the value of `ClientOptions.persistence`. */
export interface Persistence {
  /** Begins to keep what a client does. Returns at once and never throws: what goes wrong is told to the host. */
  open(host: PersistenceHost): PersistenceSession
}

/** What a session needs of its client. */
export interface PersistenceHost {
  /** How the client connects, its client id included. */
  readonly link: LinkOptions
  readonly logger: Logger
  /** Something could not be kept or read. The client goes on. */
  failed(error: WeftError): void
}

/** The store as one client uses it. */
export interface PersistenceSession {
  room(name: string, host: RoomKeeperHost): RoomKeeper
  /** The client is connected, and the server knows it as this user. */
  up(user: string | null): void
  /** The app has ended the connection, or the server has refused it for good: nothing else may connect either. */
  halt(): void
  /** The client is closed. What is kept and not acknowledged waits for the next visit, or for another tab. */
  close(): void
}

/** What a keeper needs of its room. */
export interface RoomKeeperHost {
  readonly doc: Y.Doc
  readonly epoch: number | null
  /** A local change that is not settled, as it is now. */
  change(n: number): Change | undefined
  /** What was kept is in the document. @param watermark where to resume; null when only state vectors can tell */
  resume(epoch: number | null, watermark: number | null): void
  /** The number of carried changes has changed. */
  counted(): void
  /** None is left. */
  settled(): void
  /** What a refused change of a closed tab is given up in. */
  readonly changes: LocalChanges
}

/** What a room has on the device. */
export interface RoomKeeper {
  readonly store: RoomStore
  /** What was kept is being read: the room is joined after that. */
  readonly restoring: boolean
  /** Edits of closed tabs that count as unsaved here. */
  readonly unsaved: number
  /** The updates among them: they are on their way and need not be sent otherwise. */
  readonly updates: Uint8Array[]
  /** Resolves when they are settled. */
  delivered(): Promise<void>
  /** Tells those who wait that it is in vain. */
  fail(error: WeftError): void
  /** The room was deleted and made again, with that epoch. Returns the carried updates that are lost. */
  recreated(epoch: number, error: WeftError): Uint8Array[]
  /** Reads what was kept into the document. Resolves with whether there was anything. Never rejects. */
  restore(): Promise<boolean>
}

/** What a store asks of a room, when it is about to write. */
export interface RoomSource {
  readonly epoch: number | null
  /** Whether deleted content is thrown away. */
  readonly gc: boolean
  /** The change as it is now; undefined when it is settled. */
  change(n: number): Change | undefined
  /** The whole document as one update. O(document): asked for when the store has nothing to add to. */
  document(): Uint8Array
  /** `carried` has changed. */
  carriedChanged(): void
  /** `carried` is 0 again. */
  carriedSettled(): void
  /** A carried change was refused for good, or its room was deleted and made again; it is given up. */
  carriedLost(change: Change, code: string, message: string): void
}

/** One room in the store. Until `load` is done nothing is written; what is told meanwhile is kept for after it. */
export interface RoomStore {
  /** What was kept of the room; null when there is nothing, or it cannot be read. Never rejects. */
  load(): Promise<KeptRoom | null>
  /** What `load` gave does not apply: it is removed, and written anew from the document. */
  damaged(reason: unknown): void
  /** Change `n` was made, or has grown. */
  changed(n: number): void
  /** The document has taken in updates. */
  applied(updates: readonly Uint8Array[]): void
  /** The document holds every event up to here, and the app has heard those of them that are for it. */
  position(watermark: number): void
  /** The room was joined: its epoch is that of the source from now on, whatever the store holds. */
  joined(): void
  /** Every change up to `n` is committed. */
  settled(n: number): void
  /** Change `n` is given up. */
  dropped(n: number): void
  /** The document is another one: what is kept of the old one goes. */
  replaced(): void
  /** Changes of closed tabs that this tab has taken over and that are not settled. */
  readonly carried: readonly Change[]
  /** Those of them that were made in another life of the room than this one. */
  outdated(epoch: number): readonly Change[]
  /** Gives some of them up. */
  giveUp(carried: readonly Change[]): void
  /** Resolves when everything told so far is kept: true; or false when it cannot be kept. */
  stored(): Promise<boolean>
  /** The room is left. What was told is still written. */
  close(): void
}
