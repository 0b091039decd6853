import * as Y from 'yjs'
import { textName } from '../wire/keystrokes.js'
import { seededRandom } from './random.js'

/** A document that many people have worked on for long. */
export interface LargeDocument {
  /** The edits as they were made, merged by the hundred: what a server is seeded with. */
  readonly updates: readonly Uint8Array[]
  readonly state: Uint8Array
  readonly vector: Uint8Array
  readonly text: string
  /** What a client that is in sync sends as its step 2: no structs, every delete. */
  readonly inSyncUpdate: Uint8Array
}

const edits = 100_000
const users = 5
const seed = 20_240_229
const deleteShare = 0.2
const editsPerUpdate = 100

let made: LargeDocument | null = null

/** 100,000 single-character edits at random places by five users, always the same ones. Made once per process. */
export const largeDocument = (): LargeDocument => (made ??= make())

const make = (): LargeDocument => {
  const random = seededRandom(seed)
  const ids = Array.from({ length: users }, () => Math.floor(random() * 2 ** 32))
  const doc = new Y.Doc()
  const text = doc.getText(textName)
  let pending: Uint8Array[] = []
  const updates: Uint8Array[] = []
  doc.on('update', (update: Uint8Array) => pending.push(update))
  for (let i = 0; i < edits; i++) {
    // One document whose edits are made under five ids in turn: the same bytes as five documents always in sync.
    doc.clientID = ids[Math.floor(random() * users)]!
    const at = Math.floor(random() * text.length)
    if (text.length > 0 && random() < deleteShare) text.delete(at, 1)
    else text.insert(at, String.fromCharCode(97 + Math.floor(random() * 26)))
    if (pending.length === editsPerUpdate || i === edits - 1) {
      updates.push(Y.mergeUpdates(pending))
      pending = []
    }
  }
  const state = Y.encodeStateAsUpdate(doc)
  const vector = Y.encodeStateVector(doc)
  return { updates, state, vector, text: text.toJSON(), inSyncUpdate: Y.encodeStateAsUpdate(doc, vector) }
}
