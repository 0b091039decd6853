import type { Access } from '@weft/protocol'
import type { Emitter } from './emitter.js'
import type { WeftError } from './errors.js'
import type { RoomStore } from './persistence.js'
import type { RoomHost } from './room-host.js'
import type { RoomEvents } from './types.js'

/** A room as its parts see it: the outbox, the event log, broadcasts, presence, and what is kept of it. */
export interface RoomContext {
  readonly client: RoomHost
  /** The room's number on the running connection; null while it is not joined. */
  readonly number: number | null
  readonly access: Access | null
  /** Whether changes are kept here: what came before them is not decided, or the client may not make them now (P80). */
  readonly held: boolean
  /** Where the room is kept, if anywhere. */
  readonly store: RoomStore | undefined
  /** Why nothing can be changed any more; null while it can. */
  readonly over: WeftError | null
  readonly emit: Emitter<RoomEvents>['emit']
  /** The number of unsaved changes has changed. */
  counted(): void
  /** Changes were settled; none may be left. */
  settled(): void
  /** Events that were missed have been handed on: more is heard than the last watermark says. */
  caughtUp(): void
  /** Applies updates to the document as ones that need no sending. */
  apply(updates: readonly Uint8Array[]): void
  /**
   * Replaces the document by what the server has.
   * @param lost the updates that are in neither
   * @param kept those that are still to be committed
   */
  replace(lost: readonly Uint8Array[], kept: readonly Uint8Array[]): void
  /** Tells that code which is needed now could not be loaded. */
  notLoaded(cause: unknown): void
  /** Tells what could not be applied. */
  failed(what: string, cause: unknown): void
}
