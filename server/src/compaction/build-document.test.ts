import * as Y from 'yjs'
import { describe, expect, test } from 'vitest'
import { inspectUpdate, UpdateInvalidError } from '../crdt/index.js'
import { mutateUpdate } from '../crdt/testing/mutate.js'
import { randomDocument } from '../crdt/testing/random-doc.js'
import { seededRandom } from '../crdt/testing/random.js'
import { buildState, type Piece } from './build-document.js'
import { mergeAll } from './merge.js'

const CASES = Number(process.env['WEFT_FUZZ_CASES'] ?? 2500)

const pieces = (updates: readonly Uint8Array[]): Piece[] =>
  updates.map((update, i) => ({ seq: i + 1, update, inspection: inspectUpdate(update) }))

function documentOf(...updates: readonly Uint8Array[]): Y.Doc {
  const doc = new Y.Doc()
  for (const update of updates) Y.applyUpdate(doc, update)
  return doc
}

const content = (doc: Y.Doc): unknown => [
  doc.getText('text').toDelta(),
  doc.getMap('map').toJSON(),
  doc.getXmlFragment('xml').toJSON(),
  doc.getArray('array').length,
]

const textOf = (state: Uint8Array): unknown => documentOf(state).getText('text').toJSON()

describe('a compacted state', () => {
  test('holds what the updates hold, from any base', () => {
    for (let seed = 0; seed < 60; seed++) {
      const random = seededRandom(seed)
      const { updates } = randomDocument(random, { users: 3, edits: 30 })
      const cut = random.int(updates.length)
      const base = cut === 0 ? null : buildState(null, pieces(updates.slice(0, cut))).state
      const { state, stateVector, failed } = buildState(base, pieces(updates.slice(cut)))
      const whole = documentOf(...updates)
      expect(failed).toEqual([])
      expect(stateVector).toEqual(Y.encodeStateVector(whole))
      expect(content(documentOf(state))).toEqual(content(whole))
    }
  })

  test('keeps structs and deletes that wait for what has not come yet', () => {
    let waited = 0
    for (let seed = 0; seed < 60; seed++) {
      const random = seededRandom(seed)
      const { updates } = randomDocument(random, { users: 3, edits: 30, sync: 0.6 })
      const early = updates.filter(() => random.chance(0.6))
      const { state, stateVector } = buildState(null, pieces(random.shuffle(early)))
      if (inspectUpdate(state).structs.length > Y.decodeStateVector(stateVector).size) waited++
      const late = updates.filter((update) => !early.includes(update))
      const next = buildState(state, pieces(random.shuffle(late)))
      expect(next.stateVector).toEqual(Y.encodeStateVector(documentOf(...updates)))
      expect(content(documentOf(next.state))).toEqual(content(documentOf(...updates)))
    }
    expect(waited).toBeGreaterThan(10)
  })

  test('converges with old updates that were written before the garbage collection', () => {
    const alice = new Y.Doc()
    const text = alice.getText('text')
    alice.getMap('map').set('nested', new Y.Text('gone soon'))
    text.insert(0, 'hello world')
    const offline = documentOf(Y.encodeStateAsUpdate(alice))
    const before = Y.encodeStateVector(offline)
    const nested = offline.getMap('map').get('nested')
    if (!(nested instanceof Y.Text)) throw new Error('no text')
    nested.insert(4, ' and written meanwhile')
    offline.getText('text').insert(5, ', my')
    const late = Y.encodeStateAsUpdate(offline, before)

    alice.getMap('map').delete('nested')
    text.delete(0, 11)
    const { state } = buildState(null, pieces([Y.encodeStateAsUpdate(alice)]))
    const { state: next } = buildState(state, pieces([late]))
    expect(textOf(next)).toBe(', my')
    expect(content(documentOf(next))).toEqual(content(documentOf(Y.encodeStateAsUpdate(alice), late)))
  })

  test('makes no changes of its own: Yjs would tidy up formats after a remote change, without a seq', () => {
    const doc = new Y.Doc()
    doc.getMap('map').set('note', new Y.Text('plain'))
    const updates = [Y.encodeStateAsUpdate(doc)]
    doc.on('update', (update: Uint8Array) => updates.push(update))
    const note = doc.getMap('map').get('note')
    if (!(note instanceof Y.Text)) throw new Error('no text')
    // Two people make the same words bold: one pair of marks is redundant, and every Y.Doc deletes it.
    const other = documentOf(...updates)
    const otherNote = other.getMap('map').get('note')
    if (!(otherNote instanceof Y.Text)) throw new Error('no text')
    other.on('update', (update: Uint8Array) => updates.push(update))
    note.format(0, 5, { bold: true })
    otherNote.format(0, 5, { bold: true })
    const { state } = buildState(null, pieces(updates))
    expect(inspectUpdate(state).deletes).toEqual([])
  })
})

const contains = (doc: Y.Doc, stateVector: Uint8Array): boolean =>
  [...Y.decodeStateVector(stateVector)].every(([client, clock]) => Y.getState(doc.store, client) >= clock)

describe('hostile updates that only the document can tell (I7)', () => {
  test('structs forged under another id: plain Yjs throws, and the state has everything', () => {
    const doc = new Y.Doc()
    doc.clientID = 7
    doc.getText('text').insert(0, 'abcdefghij')
    const honest = Y.encodeStateAsUpdate(doc)
    const forged = Uint8Array.from([1, 1, 7, 0, 0, 5, 0]) // client 7: GC of its first five
    expect(() => documentOf(forged, honest)).toThrow(TypeError)
    const { state, failed } = buildState(null, pieces([forged, honest]))
    expect(failed).toEqual([])
    expect(Y.encodeStateVector(documentOf(state))).toEqual(Y.encodeStateVector(doc))
  })

  test.each([
    ['after the true ones', false],
    ['before them', true],
  ])('forged structs that never come to anything, %s, do not replace the true ones', (_name, first) => {
    const doc = new Y.Doc()
    doc.clientID = 7
    doc.getText('text').insert(0, 'abcde')
    const honest = Y.encodeStateAsUpdate(doc)
    // Client 9 from clock 2 on, which waits, and client 7 again with a parent that never comes.
    const forged = Uint8Array.from([
      2, 1, 9, 2, 0, 1, 1, 7, 0, 4, 0, 9, 200, 1, 5, 118, 119, 120, 121, 122, 0,
    ])
    expect(inspectUpdate(forged).structs).toHaveLength(2)
    const { state } = buildState(null, pieces(first ? [forged, honest] : [honest, forged]))
    const again = buildState(state, pieces([honest]))
    expect([textOf(state), textOf(again.state)]).toEqual(['abcde', 'abcde'])
  })

  test(
    'nobody is left out, whatever is accepted, in any order',
    () => {
      const counts = { hostile: 0, throwing: 0 }
      let cases = 0
      for (let seed = 270; cases < CASES; seed++) {
        const random = seededRandom(seed)
        const { updates, docs } = randomDocument(random, {
          users: 2 + random.int(2),
          edits: 4 + random.int(8),
        })
        for (let i = 0; i < 20; i++, cases++) {
          const hostile = mutateUpdate(random, updates)
          try {
            inspectUpdate(hostile)
          } catch (error) {
            if (error instanceof UpdateInvalidError) continue
            throw error
          }
          counts.hostile++
          // Mostly as logs are, causes before effects, and with the hostile one anywhere.
          const causal = random.chance(0.7)
          const order = causal ? updates : random.shuffle(updates)
          const at = random.int(order.length + 1)
          const mixed = [...order.slice(0, at), hostile, ...order.slice(at)]
          const cut = random.int(mixed.length)
          try {
            documentOf(...mixed)
          } catch {
            counts.throwing++ // in plain Yjs
          }
          const base = cut === 0 ? null : buildState(null, pieces(mixed.slice(0, cut)))
          const built = buildState(base?.state ?? null, pieces(mixed.slice(cut)))
          expect([...(base?.failed ?? []), ...built.failed], `seed ${seed}, case ${i}`).toEqual([])
          const result = documentOf(built.state)
          expect(contains(result, built.stateVector), `seed ${seed}, case ${i}`).toBe(true)
          if (causal) {
            expect(contains(result, Y.encodeStateVector(docs[0]!)), `seed ${seed}, case ${i}`).toBe(true)
          }
        }
      }
      expect(counts.hostile).toBeGreaterThan(CASES * 0.2)
      expect(counts.throwing).toBeGreaterThan(0)
    },
    Math.max(60_000, CASES * 10),
  )

  test('an update that cannot be applied at all is named, and the others are in', () => {
    const doc = new Y.Doc()
    doc.getText('text').insert(0, 'kept')
    const good = Y.encodeStateAsUpdate(doc)
    doc.getText('text').insert(4, ' and this')
    const next = Y.encodeStateAsUpdate(doc)
    const poisoned = Uint8Array.from([1, 1, 9, 0, 0x84, 9, 0, 1, 120, 0]) // its origin is itself
    const built = buildState(null, [
      ...pieces([good]),
      { seq: 2, update: poisoned, inspection: { ...inspectUpdate(good), structs: [] } },
      { ...pieces([next])[0]!, seq: 3 },
    ])
    expect(built.failed).toEqual([{ seq: 2, reason: expect.any(String) as string }])
    expect(textOf(built.state)).toBe('kept and this')
  })
})

test('merging in stages gives what merging at once gives', () => {
  const random = seededRandom(5)
  const { updates } = randomDocument(random, { users: 4, edits: 300 })
  expect(updates.length).toBeGreaterThan(150)
  expect(content(documentOf(mergeAll(updates)))).toEqual(content(documentOf(Y.mergeUpdates([...updates]))))
  expect(mergeAll([])).toEqual(Uint8Array.from([0, 0]))
})
