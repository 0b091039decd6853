import * as Y from './yjs.js'

/**
 * Applies updates in one transaction. What throws is told, one by one, and does no harm to the rest: a connection must
 * not end because of an update that this Yjs cannot apply, or of an editor's observer.
 */
export const applyUpdates = (
  doc: Y.Doc,
  updates: readonly Uint8Array[],
  origin: unknown,
  failed: (what: string, cause: unknown) => void,
): void => {
  if (updates.length === 0) return
  const applyAll = (): void => {
    for (const update of updates) {
      try {
        Y.applyUpdate(doc, update, origin)
      } catch (thrown) {
        failed('an update', thrown)
      }
    }
  }
  try {
    Y.transact(doc, applyAll, origin, false)
  } catch (thrown) {
    // Observers run at the end of the transaction: the updates are in, and an observer failed.
    failed('an update to an observer', thrown)
  }
}
