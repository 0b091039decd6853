import * as Y from 'yjs'
import { bench, describe } from 'vitest'
import { Coverage, inspectUpdate } from './index.js'

/** The updates of five users who type and delete single characters at random places. */
function keystrokes(count: number): Uint8Array[] {
  const docs = Array.from({ length: 5 }, () => new Y.Doc())
  const updates: Uint8Array[] = []
  for (const doc of docs) {
    doc.on('update', (update: Uint8Array, origin: unknown) => {
      if (origin === 'remote') return
      updates.push(update)
      for (const other of docs) if (other !== doc) Y.applyUpdate(other, update, 'remote')
    })
  }
  for (let i = 0; i < count; i++) {
    const text = docs[i % 5]?.getText('text')
    if (text === undefined) continue
    const at = Math.floor(Math.random() * text.length)
    if (i % 7 === 6) text.delete(at, 1)
    else text.insert(at, 'x')
  }
  return updates
}

const updates = keystrokes(5000)

// Divide by 5000 for one keystroke.
describe('5000 keystrokes of five users (I5: the hot path)', () => {
  bench('inspectUpdate', () => {
    for (const update of updates) inspectUpdate(update)
  })
  bench('inspectUpdate and Coverage.add', () => {
    const coverage = new Coverage()
    for (const update of updates) coverage.add(inspectUpdate(update))
  })
  bench('Y.decodeUpdate, for comparison', () => {
    for (const update of updates) Y.decodeUpdate(update)
  })
})
