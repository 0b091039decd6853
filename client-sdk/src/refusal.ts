import { discardOf } from './discard.js'

/** What becomes of an update that the server refused. */
export interface Refusal {
  /** `discarded`: it can be undone in the document. `reset`: the document has to be replaced. */
  readonly outcome: 'discarded' | 'reset'
  /** Whether the changes after it can still land. If not they are lost with it. */
  readonly keepsLater: boolean
  /** What is sent in its place, so that they do; null when they do not need it. */
  readonly replacement: Uint8Array | null
  /** A Yjs update that takes its content out of the document; null when nothing does. */
  readonly undo: Uint8Array | null
}

const total: Refusal = { outcome: 'reset', keepsLater: false, replacement: null, undo: null }

/**
 * Decides it.
 * @param standIn whether the update itself stands in for one that was refused before: there is no third way
 */
export const refusalOf = (update: Uint8Array, code: string, standIn: boolean): Refusal => {
  // Nothing else of this client would be accepted either.
  if (code === 'forbidden' || code === 'room_deleted' || standIn) return total
  try {
    const { replacement, undo, deletesOthers } = discardOf(update)
    // What others wrote cannot be brought back in a document that has deleted it.
    if (deletesOthers) return { outcome: 'reset', keepsLater: true, replacement, undo: null }
    return { outcome: 'discarded', keepsLater: true, replacement, undo }
  } catch {
    return total
  }
}
