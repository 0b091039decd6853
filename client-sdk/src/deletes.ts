/* What Yjs updates delete, as sets of clocks. */
import * as Y from './yjs.js'

/** Deleted ranges by client. */
export type Deletes = ReturnType<typeof Y.createDeleteSet>

/** The deletes of updates, in order and joined where they touch. */
export const deletesOf = (updates: readonly Uint8Array[]): Deletes =>
  Y.mergeDeleteSets(updates.map((update) => Y.decodeUpdate(update).ds))

/** The ranges that another set does not cover. Both are in order, and joined where they touch. */
export const uncovered = (deletes: Deletes, by: Deletes): Deletes => {
  const rest = Y.createDeleteSet()
  for (const [client, ranges] of deletes.clients) {
    const others = by.clients.get(client) ?? []
    let at = 0
    const left = ranges.filter(({ clock, len }) => {
      let other = others[at]
      // What ends before this range does is of no use to those after it either.
      while (other && other.clock + other.len < clock + len) other = others[++at]
      return !other || other.clock > clock
    })
    if (left.length > 0) rest.clients.set(client, left)
  }
  return rest
}

/** A Yjs update, v1 encoding, of deletes alone. */
export const encodeDeletes = (deletes: Deletes): Uint8Array => {
  // A snapshot is deletes and a state vector, here of no clients: the 0 at its end. An update of no structs begins with it.
  const bytes = Y.encodeSnapshot(Y.createSnapshot(deletes, new Map()))
  bytes.copyWithin(1, 0)
  bytes[0] = 0
  return bytes
}
