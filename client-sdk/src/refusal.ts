import { discardOf } from './discard.js'

/** What becomes of an update that the server refused. */
export interface Refusal {
  /** Whether the changes after it can still land. If not they are lost with it. */
  readonly keepsLater: boolean
  /** What is sent in its place, so that they do; null when they do not need it. */
  readonly replacement: Uint8Array | null
  /** A Yjs update that takes its content out of the document; null when nothing does, and it has to be replaced. */
  readonly undo: Uint8Array | null
}

/**
 * Decides it.
 * @param standIn whether the update itself stands in for one that was refused before: there is no third way
 */
export const refusalOf = (update: Uint8Array, code: string, standIn: boolean): Refusal => {
  // Otherwise nothing else of this client would be accepted either.
  if (code !== 'forbidden' && code !== 'room_deleted' && !standIn) {
    try {
      const { replacement, undo, deletesOthers } = discardOf(update)
      // What others wrote cannot be brought back in a document that has deleted it.
      return { keepsLater: true, replacement, undo: deletesOthers ? null : undo }
    } catch {
      // It does not decode: there is nothing to be taken out.
    }
  }
  return { keepsLater: false, replacement: null, undo: null }
}
