/*
 * Where a room's document stands against the server: what to ask for in JOIN, what comes in SYNC, and what the server
 * lacks (P16 to P19).
 */
import type { JoinFrame, JoinedFrame, SyncFrame } from '@weft/protocol'
import * as Y from 'yjs'
import { deletesOf, isEmpty, missingDeletes, missingStructs, type Deletes } from './missing.js'
import { SyncCollector } from './sync-collector.js'

/** What JOIN says about the state that a client holds. */
export type Holding = Pick<JoinFrame, 'epoch' | 'after' | 'stateVector'>

/** The initial state, complete. */
export interface SyncedState {
  readonly updates: readonly Uint8Array[]
  /** It holds every event up to here. */
  readonly head: number
  /** What the document had deleted before: some of it may be news to the server. */
  readonly deletes: Deletes | null
}

export class StateSync {
  epoch: number | null = null
  /** Every event up to here has been applied: where to resume. Null until the first state is complete. */
  watermark: number | null = null
  /** The document is an earlier visit's, and was not compared with the server's since. */
  private kept = false
  private running: { collector: SyncCollector; head: number; deletes: Deletes | null } | null = null

  holding(doc: Y.Doc): Holding {
    return {
      epoch: this.epoch,
      after: this.watermark,
      stateVector: isEmpty(doc) ? null : Y.encodeStateVector(doc),
    }
  }

  /**
   * Takes JOINED, before the server's state is applied: what that brings need not be sent back.
   * @param pending the updates that are not acknowledged
   * @param limit the most bytes that an update may have
   * @returns what the server lacks of the document, apart from those; null when nothing
   */
  begin(frame: JoinedFrame, doc: Y.Doc, pending: readonly Uint8Array[], limit: number): Uint8Array | null {
    const { mode, head, epoch, access } = frame
    this.epoch = epoch
    let missing: Uint8Array | null = null
    let deletes: Deletes | null = null
    // Also when resuming: what a node relayed and did not commit before it died, this client may be the last to have, and
    // its next edits would hang on it.
    if (access === 'write' && !isEmpty(doc)) {
      missing = missingStructs(doc, frame.stateVector, pending)
      // A Yjs update carries all deletes; only without one do they need a look of their own.
      if (missing === null && mode !== 'resume') deletes = deletesOf(doc)
    }
    // It may also hold what others have in hand, and will send in pieces: refused as one, it would be discarded.
    if ((mode === 'resume' || this.kept) && missing !== null && missing.length > limit) missing = null
    this.kept = false
    if (mode !== 'resume') this.watermark = null
    this.running = { collector: new SyncCollector(), head, deletes }
    return missing
  }

  /** Takes SYNC. Returns the initial state when this completes it. */
  take(frame: SyncFrame): SyncedState | null {
    if (this.running === null) return null
    const { collector, head, deletes } = this.running
    const updates = collector.take(frame)
    if (updates === null) return null
    this.running = null
    this.watermark = Math.max(this.watermark ?? 0, head)
    return { updates, head, deletes }
  }

  /**
   * Takes WATERMARK. During a sync the events before it wait in the collector: only `done` says that they have been
   * applied. @returns whether it says more than before
   */
  reached(seq: number): boolean {
    if (this.running !== null || seq <= (this.watermark ?? 0)) return false
    this.watermark = seq
    return true
  }

  /** Takes the position of an earlier visit. Without a watermark the state vectors tell what is missing. */
  resume(epoch: number | null, watermark: number | null): void {
    this.epoch = epoch
    this.watermark = watermark
    this.kept = true
  }

  /** From which event on the events of this membership come by themselves. */
  from(frame: JoinedFrame): number {
    return frame.mode === 'resume' ? (this.watermark ?? 0) : frame.head
  }

  /** The membership is over. */
  stop(): void {
    this.running = null
  }

  /** The document was replaced: everything is asked for anew. */
  forget(): void {
    this.running = null
    this.watermark = null
  }
}

/** The deletes of a state that none of the known updates holds, as an update; null when there are none. */
export const unknownDeletes = (
  { deletes, updates }: SyncedState,
  pending: readonly Uint8Array[],
): Uint8Array | null => (deletes === null ? null : missingDeletes(deletes, [...updates, ...pending]))
