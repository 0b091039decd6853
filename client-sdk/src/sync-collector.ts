import type { SyncFrame } from '@weft/protocol'

/** Puts the pieces of SYNC frames together (P17). Pure. */
export class SyncCollector {
  private pieces: Uint8Array[] = []
  private readonly updates: Uint8Array[] = []

  /** Takes a frame. Returns the updates of the initial state, in order, when it is complete; null until then. */
  take(frame: SyncFrame): readonly Uint8Array[] | null {
    if (frame.data.length > 0) this.pieces.push(frame.data)
    if (frame.part === 'more') return null
    const update = concatenate(this.pieces)
    this.pieces = []
    if (update.length > 0) this.updates.push(update)
    return frame.part === 'done' ? this.updates : null
  }
}

const concatenate = (pieces: readonly Uint8Array[]): Uint8Array => {
  const [only] = pieces
  if (pieces.length === 1 && only !== undefined) return only
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0))
  let at = 0
  for (const piece of pieces) {
    whole.set(piece, at)
    at += piece.length
  }
  return whole
}
