import * as Y from 'yjs'
import { inspectUpdate, RangeSet, type Range } from '../crdt/index.js'

/**
 * Whether everything in `update` is in `parts` already: all its structs (also such that still wait for others), and
 * all its deletes. Then nobody needs it, and no log.
 *
 * What the parts' delete sets name is deleted. What they do not name may be deleted all the same: of two values that were
 * set for one key at once, integration deletes one, and no update says so. Only a Y.Doc knows; it is built only then.
 * @throws {UpdateInvalidError} when `update` is not a valid update
 */
export function addsNothing(parts: readonly Uint8Array[], update: Uint8Array): boolean {
  const { structs, deletes } = inspectUpdate(update)
  const known = new RangeSet()
  const deleted = new RangeSet()
  for (const part of parts) {
    const inspection = inspectUpdate(part)
    known.add(inspection.structs)
    deleted.add(inspection.deletes)
  }
  if (known.missing(structs).length > 0) return false
  const unclear = deleted.missing(deletes)
  if (unclear.length === 0) return true
  if (known.missing(unclear).length > 0) return false
  const doc = new Y.Doc()
  try {
    // In order, not merged: where two say different things about a struct, the first one is right.
    doc.transact(() => {
      for (const part of parts) Y.applyUpdate(doc, part)
    })
  } catch {
    return false // forged structs in the parts: then nothing is certain, and the deletes are kept
  }
  return unclear.every((range) => isDeleted(doc, range))
}

function isDeleted(doc: Y.Doc, { client, clock, len }: Range): boolean {
  const structs = doc.store.clients.get(client)
  if (structs === undefined || Y.getState(doc.store, client) < clock + len) return false
  for (let i = Y.findIndexSS(structs, clock); i < structs.length; i++) {
    const struct = structs[i]
    if (struct === undefined || struct.id.clock >= clock + len) break
    if (!struct.deleted) return false
  }
  return true
}
