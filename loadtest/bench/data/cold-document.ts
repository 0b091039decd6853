import * as Y from 'yjs'
import { textName } from '../wire/keystrokes.js'
import type { LargeDocument } from './large-document.js'

const lines = 200_000
const lineLength = 90
const authors = 50
const linesPerUpdate = 100

/** About 20 MB encoded: 200,000 lines that fifty people wrote in turn, each an item of its own. */
export const coldDocument = (): LargeDocument => {
  const doc = new Y.Doc()
  const text = doc.getText(textName)
  let pending: Uint8Array[] = []
  const updates: Uint8Array[] = []
  doc.on('update', (update: Uint8Array) => pending.push(update))
  for (let line = 0; line < lines; line++) {
    doc.clientID = 1000 + (line % authors)
    text.insert(text.length, `${line} `.padEnd(lineLength, String.fromCharCode(97 + (line % 26))))
    if (pending.length === linesPerUpdate || line === lines - 1) {
      updates.push(Y.mergeUpdates(pending))
      pending = []
    }
  }
  const state = Y.encodeStateAsUpdate(doc)
  const vector = Y.encodeStateVector(doc)
  return { updates, state, vector, text: text.toJSON(), inSyncUpdate: Y.encodeStateAsUpdate(doc, vector) }
}
