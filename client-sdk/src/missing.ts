/*
 * What a server lacks of a document that joins (P19): structs beyond the committed state vector, and
 * deletes that neither the server's state nor the outbox holds. What waits in the outbox is sent under its own number
 * and is left out here.
 */
import * as Y from './yjs.js'
import { deletesOf, encodeDeletes, uncovered, type Deletes } from './deletes.js'

/** Whether a document holds nothing at all. */
export const isEmpty = ({ store }: Y.Doc): boolean => store.clients.size === 0 && !store.pendingStructs

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
  return [...mine].some(([client, clock]) => clock > (covered.get(client) ?? 0))
    ? Y.encodeStateAsUpdate(doc, Y.encodeStateVector(covered))
    : null
}

/** The update with the deletes that none of the given updates holds; null when there are none. */
export const missingDeletes = (deletes: Deletes, known: readonly Uint8Array[]): Uint8Array | null => {
  const missing = uncovered(deletes, deletesOf(known))
  return missing.clients.size === 0 ? null : encodeDeletes(missing)
}
