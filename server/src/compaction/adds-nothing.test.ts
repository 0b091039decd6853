import * as Y from 'yjs'
import { expect, test } from 'vitest'
import { UpdateInvalidError } from '../crdt/index.js'
import { randomDocument } from '../crdt/testing/random-doc.js'
import { seededRandom, type Random } from '../crdt/testing/random.js'
import { addsNothing } from './adds-nothing.js'

/** Everything in a document, what still waits included, whatever the order it came in. */
function holdings(doc: Y.Doc): unknown {
  const state = Y.encodeStateAsUpdate(doc)
  const decoded = Y.decodeUpdate(Y.mergeUpdates([state, new Uint8Array([0, 0])]))
  const clocks = new Map<number, Set<number>>()
  for (const struct of decoded.structs) {
    if (struct instanceof Y.Skip) continue
    const known = clocks.get(struct.id.client) ?? new Set()
    for (let i = 0; i < struct.length; i++) known.add(struct.id.clock + i)
    clocks.set(struct.id.client, known)
  }
  const deleted = new Set<string>()
  for (const [client, ranges] of decoded.ds.clients) {
    for (const { clock, len } of ranges) for (let i = 0; i < len; i++) deleted.add(`${client}:${clock + i}`)
  }
  return { clocks, deleted }
}

function merged(updates: readonly Uint8Array[]): Y.Doc {
  const doc = new Y.Doc()
  if (updates.length > 0) Y.applyUpdate(doc, Y.mergeUpdates([...updates]))
  return doc
}

/** As rooms hold them: a garbage collected base and single updates after it, or single updates only. */
function partsOf(random: Random, updates: readonly Uint8Array[]): Uint8Array[] {
  const cut = random.chance(0.7) ? random.int(updates.length + 1) : 0
  const tail = updates.slice(cut)
  return cut === 0 ? [...tail] : [Y.encodeStateAsUpdate(merged(updates.slice(0, cut))), ...tail]
}

test('an update adds nothing exactly when applying it changes neither structs nor deletes', () => {
  const counts = { nothing: 0, something: 0 }
  for (let seed = 0; seed < 150; seed++) {
    const random = seededRandom(seed)
    const { updates, docs } = randomDocument(random, { users: 3, edits: 25, sync: 0.5 })
    const kept = random.chance(0.5) ? updates : updates.filter(() => random.chance(0.9))
    const parts = partsOf(random, kept)
    const candidates = [
      random.pick(updates),
      Y.mergeUpdates([random.pick(updates), random.pick(updates)]),
      Y.encodeStateAsUpdate(random.pick(docs)), // an in-sync client's full state, with its whole delete set
      Y.encodeStateAsUpdate(random.pick(docs), Y.encodeStateVector(merged(kept))),
      Y.encodeStateAsUpdate(merged(kept.filter(() => random.chance(0.8)))),
    ]
    for (const update of candidates) {
      const doc = merged(parts)
      const before = holdings(doc)
      Y.applyUpdate(doc, update)
      const same = JSON.stringify(flat(before)) === JSON.stringify(flat(holdings(doc)))
      expect(addsNothing(parts, update), `seed ${seed}`).toBe(same)
      counts[same ? 'nothing' : 'something']++
    }
  }
  expect(counts.nothing).toBeGreaterThan(100)
  expect(counts.something).toBeGreaterThan(100)
})

function flat(value: unknown): unknown {
  if (value instanceof Map) return [...value].map(([key, each]) => [key, flat(each)] as const).sort(byText)
  if (value instanceof Set) return [...value].map(String).sort()
  if (typeof value === 'object' && value !== null)
    return Object.entries(value).map(([key, each]) => [key, flat(each)])
  return value
}

const byText = (a: unknown, b: unknown): number => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)

test('a delete that only integration knows of (two values for one key) is known', () => {
  const set = (client: number): Uint8Array => {
    const doc = new Y.Doc()
    doc.clientID = client
    doc.getMap('map').set('key', client)
    return Y.encodeStateAsUpdate(doc)
  }
  const parts = [set(1), set(2)]
  expect(addsNothing(parts, Y.encodeStateAsUpdate(merged(parts)))).toBe(true)
})

test('a delete of what has not come yet is something', () => {
  expect(addsNothing([], Uint8Array.from([0, 1, 9, 1, 0, 4]))).toBe(false)
  expect(addsNothing([Uint8Array.from([0, 1, 9, 1, 0, 4])], Uint8Array.from([0, 1, 9, 1, 1, 2]))).toBe(true)
})

test('a claim that content is collected does not make its deletion known (I7)', () => {
  const doc = new Y.Doc()
  doc.clientID = 7
  doc.getText('text').insert(0, 'abc')
  const honest = Y.encodeStateAsUpdate(doc)
  const forged = Uint8Array.from([1, 1, 7, 0, 0, 3, 0])
  const deletion = Uint8Array.from([0, 1, 7, 1, 0, 3])
  expect(addsNothing([honest, forged], deletion)).toBe(false)
})

test('what is not an update is refused', () => {
  expect(() => addsNothing([], new Uint8Array([9]))).toThrow(UpdateInvalidError)
})
