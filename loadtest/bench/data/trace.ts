import { sequentialTrace, CodePointTypist } from '@weft/server/testing'
import * as Y from 'yjs'
import { textName } from '../wire/keystrokes.js'
import { seededRandom } from './random.js'

/** A recorded editing session as the updates that its author sent. */
export interface Trace {
  readonly name: string
  readonly updates: readonly Uint8Array[]
  /** How many clocks the author has used after each update: deletes use none. */
  readonly clocks: readonly number[]
  readonly client: number
  readonly text: string
}

/** Enough to measure; the longest trace is ten times as long. */
const mostKeystrokes = 25_000
const client = 4_000_000_001

/** A recording by its name, or a generated one of 4,000 keystrokes where there is none (see `WEFT_TRACES`). */
export const readTrace = (name: string): Trace => {
  const { startContent, txns } = sequentialTrace(name, seededRandom(1))
  const doc = new Y.Doc()
  doc.clientID = client
  const text = doc.getText(textName)
  const updates: Uint8Array[] = []
  const clocks: number[] = []
  doc.on('update', (update: Uint8Array) => {
    updates.push(update)
    clocks.push(Y.getState(doc.store, client))
  })
  if (startContent !== '') text.insert(0, startContent)
  const typist = new CodePointTypist(text)
  for (const { patches } of txns.slice(0, mostKeystrokes)) doc.transact(() => typist.apply(patches))
  return { name, updates, clocks, client, text: text.toJSON() }
}
