import type { SerializedCoverage } from '../crdt/index.js'
import type { RoomId, Seq } from '../ids.js'
import type { StoreConnection } from '../store/types.js'
import type { DocWorkerErrorCode } from './errors.js'
import type { PackedEvents } from './packed-events.js'
import type { PackedInspection } from './packed-inspection.js'

/** What a room is, to begin with. */
export interface LoadedRoom {
  /** 0 without a snapshot. */
  readonly baseSeq: Seq
  /** The newest usable snapshot as a Yjs update, in shared memory; null when there is none. */
  readonly base: Uint8Array | null
  /** What of the base is integrated. */
  readonly baseStateVector: Uint8Array
  /** The newest seq that was read. */
  readonly headSeq: Seq
  /** The events after the base, without the quarantined ones: see `unpackEvents`. */
  readonly events: PackedEvents
  /** Of the base and the events; an update that waits has its seq as tag. */
  readonly coverage: SerializedCoverage
  readonly quarantined: readonly Seq[]
  /** Sentences for the log: what was found damaged and passed over. */
  readonly problems: readonly string[]
}

/** A snapshot that was written. */
export interface CompactedRoom {
  readonly seq: Seq
  /** The snapshot as a Yjs update, in shared memory. */
  readonly state: Uint8Array
  /** What of it is integrated. */
  readonly stateVector: Uint8Array
  /** The size of the state. */
  readonly bytes: number
  /** Updates that the document could not take: quarantined, and not in the snapshot. */
  readonly quarantined: readonly Seq[]
  readonly problems: readonly string[]
}

/** The tasks by name: the exports of `doc-worker.ts`, which tinypool calls. */
export interface Tasks {
  /** Nothing: it shows that a thread is there. */
  ready: { input: null; output: null }
  load: { input: RoomTask & { readonly upTo: Seq | null }; output: LoadedRoom }
  /** `plain`: merged without a document, and so without garbage collection. */
  compact: { input: RoomTask & { readonly plain: boolean }; output: CompactedRoom | null }
  /** Whether the log up to a seq, without some events, is a document: those that it cannot take. */
  probe: {
    input: RoomTask & { readonly upTo: Seq; readonly without: readonly Seq[] }
    output: readonly { readonly seq: Seq; readonly reason: string }[]
  }
  diff: {
    input: { readonly parts: readonly Uint8Array[]; readonly stateVector: Uint8Array }
    output: Uint8Array
  }
  merge: { input: { readonly parts: readonly Uint8Array[] }; output: Uint8Array }
  inspect: { input: { readonly update: Uint8Array }; output: PackedInspection }
  addsNothing: {
    input: { readonly parts: readonly Uint8Array[]; readonly update: Uint8Array }
    output: boolean
  }
}

export interface RoomTask {
  readonly connection: StoreConnection
  readonly roomId: RoomId
  readonly epoch: number
}

/** Errors lose their class between threads: they cross as data. */
export type TaskResult<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: TaskFailure }

export type TaskFailure =
  | { readonly kind: 'update_invalid'; readonly message: string }
  | {
      readonly kind: 'store'
      readonly storeKind: 'transient' | 'rejected'
      readonly sqlState: string | null
      readonly message: string
    }
  | { readonly kind: 'worker'; readonly code: DocWorkerErrorCode; readonly message: string }
