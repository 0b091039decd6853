/*
 * Where a room's document stands against the server: what to ask for in JOIN, what comes in SYNC, and what the server
 * lacks (P16 to P19).
 */
import {
  createEncoder,
  donePart,
  morePart,
  resumeMode,
  toUint8Array,
  writeAccess,
  writeUint8Array,
  type JoinedWire,
} from '@weft/protocol'
import * as Y from './yjs.js'
import type { Deletes } from './deletes.js'
import { isEmpty, missingStructs } from './missing.js'

/** What JOIN says about the state that a client holds. */
export type Holding = readonly [epoch: number | null, after: number | null, stateVector: Uint8Array | null]

/** The initial state, complete. */
export interface SyncedState {
  readonly updates: readonly Uint8Array[]
  /** It holds every event up to here. */
  readonly head: number
  /** What the document had deleted before: some of it may be news to the server. */
  readonly deletes: Deletes | null
}

/** A sync on its way. */
interface Running {
  readonly head: number
  readonly deletes: Deletes | null
  readonly updates: Uint8Array[]
  /** The update that has begun to arrive (P17). */
  pieces: ReturnType<typeof createEncoder>
}

export interface StateSync {
  epoch: number | null
  /** Every event up to here has been applied: where to resume. Null until the first state is complete. */
  readonly watermark: number | null
  holding(doc: Y.Doc): Holding
  /**
   * Takes JOINED, before the server's state is applied: what that brings need not be sent back.
   * @param pending the updates that are not acknowledged
   * @param limit the most bytes that an update may have
   * @returns what the server lacks of the document, apart from those; null when nothing
   */
  begin(frame: JoinedWire, doc: Y.Doc, pending: readonly Uint8Array[], limit: number): Uint8Array | null
  /** Takes SYNC. Returns the initial state when this completes it. */
  take(part: number, data: Uint8Array): SyncedState | null
  /**
   * Takes WATERMARK. During a sync the events before it wait for the rest: only `done` says that they have been applied.
   * @returns whether it says more than before
   */
  reached(seq: number): boolean
  /** Takes the position of an earlier visit. Without a watermark the state vectors tell what is missing. */
  resume(epoch: number | null, watermark: number | null): void
  /** From which event on the events of this membership come by themselves. */
  from(frame: JoinedWire): number
  /** The membership is over. */
  stop(): void
  /** The document was replaced: everything is asked for anew. */
  forget(): void
}

export const createStateSync = (): StateSync => {
  let watermark: number | null = null
  /** The document is an earlier visit's, and was not compared with the server's since. */
  let kept = false
  let running: Running | null = null
  const sync: StateSync = {
    epoch: null,
    get watermark() {
      return watermark
    },
    holding: (doc) => [sync.epoch, watermark, isEmpty(doc) ? null : Y.encodeStateVector(doc)],
    begin: ([, , , epoch, head, access, mode, stateVector], doc, pending, limit) => {
      sync.epoch = epoch
      const resumes = mode === resumeMode
      let missing: Uint8Array | null = null
      let deletes: Deletes | null = null
      // Also when resuming: what a node relayed and did not commit before it died, this client may be the last to have, and
      // its next edits would hang on it.
      if (access === writeAccess && !isEmpty(doc)) {
        missing = missingStructs(doc, stateVector, pending)
        // A Yjs update carries all deletes; only without one do they need a look of their own.
        if (!missing && !resumes) deletes = Y.createDeleteSetFromStructStore(doc.store)
      }
      // It may also hold what others have in hand, and will send in pieces: refused as one, it would be discarded.
      if ((resumes || kept) && missing && missing.length > limit) missing = null
      kept = false
      if (!resumes) watermark = null
      running = { head, deletes, updates: [], pieces: createEncoder() }
      return missing
    },
    take: (part, data) => {
      if (!running) return null
      const { pieces, updates, head, deletes } = running
      writeUint8Array(pieces, data)
      if (part === morePart) return null
      const update = toUint8Array(pieces)
      if (update.length > 0) updates.push(update)
      running.pieces = createEncoder()
      if (part !== donePart) return null
      running = null
      watermark = Math.max(watermark ?? 0, head)
      return { updates, head, deletes }
    },
    reached: (seq) => {
      if (running || seq <= (watermark ?? 0)) return false
      watermark = seq
      return true
    },
    resume: (epoch, reached) => {
      sync.epoch = epoch
      watermark = reached
      kept = true
    },
    from: ([, , , , head, , mode]) => (mode === resumeMode ? (watermark ?? 0) : head),
    stop: () => {
      running = null
    },
    forget: () => {
      running = watermark = null
    },
  }
  return sync
}
