import * as Y from 'yjs'
import type { Coverage } from './coverage.js'
import type { Inspection } from './inspect.js'

/**
 * An update without the structs that `coverage` has already; its deletes stay. The same bytes when it repeats nothing,
 * which is nearly always and costs one lookup.
 *
 * Repeated structs are harmless as long as they are the same. Structs forged under another client's id are not: merging
 * may prefer them to the true ones, and applying them may throw. What is trimmed cannot replace anything (I7).
 */
export function trimKnown(
  update: Uint8Array,
  inspection: Pick<Inspection, 'structs'>,
  coverage: Coverage,
): Uint8Array {
  return coverage.overlaps(inspection) ? Y.diffUpdate(update, coverage.encodeStateVector()) : update
}
