/*
 * What a server lacks of a document that joins (P19): structs beyond the committed state vector, and
 * deletes that neither the server's state nor the outbox holds. What waits in the outbox is sent under its own number
 * and is left out here.
 */
import * as Y from 'yjs'
import { encodeDeletes } from './discard.js'

interface Range {
  readonly clock: number
  readonly len: number
}

/** Deleted ranges by client. */
export type Deletes = ReadonlyMap<number, readonly Range[]>

/** Whether a document holds nothing at all. */
export const isEmpty = (doc: Y.Doc): boolean =>
  doc.store.clients.size === 0 && doc.store.pendingStructs === null

/** Everything that is deleted in a document. O(document). */
export const deletesOf = (doc: Y.Doc): Deletes => Y.createDeleteSetFromStructStore(doc.store).clients

/**
 * The update with the structs that neither a committed state vector nor the outbox holds; null when there are none.
 * It carries the document's deletes as well, as every Yjs update does.
 */
export const missingStructs = (
  doc: Y.Doc,
  stateVector: Uint8Array,
  outbox: Iterable<Uint8Array>,
): Uint8Array | null => {
  const covered = Y.decodeStateVector(stateVector)
  for (const update of outbox) {
    const { from, to } = Y.parseUpdateMeta(update)
    for (const [client, end] of to) {
      const known = covered.get(client) ?? 0
      // A change that hangs on something which the server lacks covers nothing: the gap before it has to be sent.
      if ((from.get(client) ?? 0) <= known && end > known) covered.set(client, end)
    }
  }
  const mine = Y.decodeStateVector(Y.encodeStateVector(doc))
  for (const [client, clock] of mine) {
    if (clock > (covered.get(client) ?? 0)) return Y.encodeStateAsUpdate(doc, Y.encodeStateVector(covered))
  }
  return null
}

/** The update with the deletes that none of the given updates holds; null when there are none. */
export const missingDeletes = (deletes: Deletes, known: Iterable<Uint8Array>): Uint8Array | null => {
  if (deletes.size === 0) return null
  const elsewhere = new Map<number, Range[]>()
  for (const update of known) {
    for (const [client, ranges] of Y.decodeUpdate(update).ds.clients) {
      elsewhere.set(client, [...(elsewhere.get(client) ?? []), ...ranges])
    }
  }
  const missing = new Map<number, Range[]>()
  for (const [client, ranges] of deletes) {
    const rest = subtract(ranges, elsewhere.get(client) ?? [])
    if (rest.length > 0) missing.set(client, rest)
  }
  return missing.size === 0 ? null : encodeDeletes(missing)
}

const byClock = (a: Range, b: Range): number => a.clock - b.clock

/** The parts of `ranges` that no range of `others` covers. */
const subtract = (ranges: readonly Range[], others: readonly Range[]): Range[] => {
  const rest: Range[] = []
  const sorted = [...others].sort(byClock)
  let from = 0
  for (const { clock, len } of [...ranges].sort(byClock)) {
    const end = clock + len
    let at = clock
    // Ranges that end before this one begins are of no use to those after it either.
    for (let other = sorted[from]; other !== undefined && other.clock + other.len <= at; other = sorted[from])
      from++
    for (let i = from; at < end; i++) {
      const other = sorted[i]
      if (other === undefined || other.clock >= end) break
      if (other.clock > at) rest.push({ clock: at, len: other.clock - at })
      at = Math.max(at, other.clock + other.len)
    }
    if (at < end) rest.push({ clock: at, len: end - at })
  }
  return rest
}
