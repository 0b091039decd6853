import * as Y from 'yjs'

/** `Y.mergeUpdates` sorts all its inputs again for every few structs: many at once take time squared. */
const AT_ONCE = 64

const EMPTY = new Uint8Array([0, 0])

/**
 * Merges any number of updates into one, without a Y.Doc. Where two say different things about the same struct (one has
 * it collected, or forged), which one is taken is not defined.
 */
export function mergeAll(updates: readonly Uint8Array[]): Uint8Array {
  let level = updates
  while (level.length > 1) {
    const merged: Uint8Array[] = []
    for (let from = 0; from < level.length; from += AT_ONCE) {
      merged.push(Y.mergeUpdates(level.slice(from, from + AT_ONCE)))
    }
    level = merged
  }
  return level[0] ?? EMPTY
}
