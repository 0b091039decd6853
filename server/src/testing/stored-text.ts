import * as Y from 'yjs'
import type { Store } from '../store/index.js'

/** The text that the log of a room holds. */
export const storedText = async (store: Store, room: string): Promise<string> => {
  const { id } = await store.openRoom('', room)
  const doc = new Y.Doc()
  for (const { kind, payload } of await store.readEvents(id, 0, 1e9, 10_000)) {
    if (kind === 'update') Y.applyUpdate(doc, payload)
  }
  return doc.getText('text').toJSON()
}
