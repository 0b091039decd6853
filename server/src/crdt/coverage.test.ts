import * as Y from 'yjs'
import { describe, expect, test } from 'vitest'
import { Coverage, decodeStateVector, inspectUpdate, type Coverable, type Link, type Range } from './index.js'
import { randomDocument } from './testing/random-doc.js'
import { seededRandom } from './testing/random.js'

const range = (client: number, clock: number, len = 1): Range => ({ client, clock, len })
const link = (client: number, clock: number, needs: number, upTo: number): Link => ({
  client,
  clock,
  needs: { client: needs, clock: upTo },
})
const update = (structs: Range[], links: Link[] = []): Coverable => ({ structs, links, byteLength: 10 })

describe('Coverage advances only over what is integrated (I1)', () => {
  test.each<[string, Coverable[], [number, number][], number]>([
    ['in order', [update([range(1, 0, 2)]), update([range(1, 2)])], [[1, 3]], 0],
    ['a gap waits', [update([range(1, 1)])], [], 1],
    ['a gap that is filled', [update([range(1, 1)]), update([range(1, 0)])], [[1, 2]], 0],
    ['a known range', [update([range(1, 0, 4)]), update([range(1, 1, 2)])], [[1, 4]], 0],
    ['a range known in part', [update([range(1, 0, 4)]), update([range(1, 2, 4)])], [[1, 6]], 0],
    ['a need not met', [update([range(1, 0)], [link(1, 0, 2, 5)])], [], 1],
    [
      'a need met in part',
      [update([range(1, 0)], [link(1, 0, 2, 5)]), update([range(2, 0, 5)])],
      [[2, 5]],
      1,
    ],
    [
      'a need met later',
      [update([range(1, 0)], [link(1, 0, 2, 5)]), update([range(2, 0, 6)])],
      [
        [1, 1],
        [2, 6],
      ],
      0,
    ],
    ['up to the struct with the need', [update([range(1, 0, 9)], [link(1, 4, 2, 0)])], [[1, 4]], 1],
    [
      'a chain',
      [
        update([range(1, 0)], [link(1, 0, 2, 0)]),
        update([range(2, 0)], [link(2, 0, 3, 0)]),
        update([range(3, 1)]),
        update([range(3, 0)]),
      ],
      [
        [1, 1],
        [2, 1],
        [3, 2],
      ],
      0,
    ],
    [
      'needs within one update, both ways',
      [update([range(2, 0, 4), range(1, 0, 4)], [link(2, 2, 1, 1), link(1, 1, 2, 1), link(1, 3, 2, 3)])],
      [
        [1, 4],
        [2, 4],
      ],
      0,
    ],
    [
      'a circle never comes',
      [update([range(2, 0), range(1, 0)], [link(2, 0, 1, 0), link(1, 0, 2, 0)])],
      [],
      1,
    ],
  ])('%s', (_name, updates, state, waiting) => {
    const coverage = new Coverage()
    for (const each of updates) coverage.add(each)
    expect([...coverage.stateVector()].sort((a, b) => a[0] - b[0])).toEqual(state)
    expect(coverage.waitingCount).toBe(waiting)
    expect(coverage.waitingBytes > 0).toBe(waiting > 0)
  })

  test('I6: what waits is weighed with its pieces, not by its bytes alone: two bytes a struct take 64 in memory', () => {
    const coverage = new Coverage()
    coverage.add(update(Array.from({ length: 100 }, (_, i) => range(1, 1 + 2 * i))))
    expect(coverage.waitingBytes).toBe(10 + 64 * 100)
    for (let i = 0; i <= 100; i++) coverage.add(update([range(1, 2 * i)]))
    expect(coverage.waitingBytes).toBe(0)
  })

  test('says when an update that waited is integrated, by its tag, once', () => {
    const coverage = new Coverage()
    expect(coverage.add(update([range(1, 2)]), 30)).toBe(false)
    expect(coverage.add(update([range(1, 1)]), 20)).toBe(false)
    expect(coverage.takeReleased()).toEqual([])
    expect(coverage.add(update([range(1, 0)]), 10)).toBe(true)
    expect(coverage.takeReleased()).toEqual([20, 30])
    expect(coverage.takeReleased()).toEqual([])
  })

  test('starts from the state vector of a base', () => {
    const coverage = Coverage.fromStateVector(new Map([[1, 5]]))
    expect(coverage.add(update([range(1, 5)]))).toBe(true)
    expect(coverage.covers([{ client: 1, clock: 5 }])).toBe(true)
    expect(coverage.covers([{ client: 1, clock: 6 }])).toBe(false)
  })

  test('a thousand updates that wait for one client do not cost its keystrokes anything', () => {
    const coverage = new Coverage()
    for (let i = 0; i < 1000; i++)
      coverage.add(update([range(100 + i, 0)], [link(100 + i, 0, 1, 1_000_000 + i)]))
    for (let clock = 0; clock < 100_000; clock++) coverage.add(update([range(1, clock)]))
    expect(coverage.waitingCount).toBe(1000)
    expect(coverage.clockOf(1)).toBe(100_000)
  })
})

/**
 * A document that was fed updates out of order may hold back structs whose needs are met, until some gap beside them is
 * filled (Yjs notes one missing clock for all that stopped there). A fresh one that gets the same at once has it all.
 */
function settled(doc: Y.Doc): Y.Doc {
  const fresh = new Y.Doc()
  Y.applyUpdate(fresh, Y.encodeStateAsUpdate(doc))
  return fresh
}

describe('Coverage is the state vector of a Y.Doc without the Y.Doc (I5)', () => {
  test('for any order, repetition and merging of real updates, with needs false before and true after', () => {
    let waited = 0
    for (let seed = 0; seed < 60; seed++) {
      const random = seededRandom(seed)
      const { updates } = randomDocument(random, { users: 2 + random.int(3), edits: 30, sync: 0.6 })
      const twice = updates.filter(() => random.chance(0.2))
      const merged = Array.from({ length: 4 }, () =>
        Y.mergeUpdates([random.pick(updates), random.pick(updates)]),
      )
      const doc = new Y.Doc()
      let coverage = new Coverage()
      for (const each of random.shuffle([...updates, ...twice, ...merged])) {
        const inspection = inspectUpdate(each)
        const covered = coverage.covers(inspection.deps)
        const before = coverage.waitingCount
        const whole = coverage.add(inspection)
        Y.applyUpdate(doc, each)
        const same = settled(doc)
        expect(coverage.encodeStateVector(), `seed ${seed}`).toEqual(Y.encodeStateVector(same))
        if (covered) expect(whole).toBe(true)
        if (whole) expect(coverage.waitingCount).toBeLessThanOrEqual(before)
        else waited++
        expect(coverage.waitingCount > 0).toBe(same.store.pendingStructs !== null)
        if (random.chance(0.1)) coverage = Coverage.restore(structuredClone(coverage.serialize()))
      }
      expect(coverage.waitingCount).toBe(0)
      expect(coverage.waitingBytes).toBe(0)
      for (const each of updates) expect(coverage.covers(inspectUpdate(each).deps)).toBe(true)
    }
    expect(waited).toBeGreaterThan(500)
  })

  test('of a compacted base that still has structs waiting', () => {
    for (let seed = 0; seed < 40; seed++) {
      const random = seededRandom(seed)
      const { updates } = randomDocument(random, { users: 3, edits: 30, sync: 0.6 })
      const some = updates.filter(() => random.chance(0.7))
      const doc = new Y.Doc()
      for (const each of some) Y.applyUpdate(doc, each)
      const compacted = settled(doc)
      const base = Y.encodeStateAsUpdate(doc)
      const coverage = Coverage.fromStateVector(decodeStateVector(Y.encodeStateVector(compacted)))
      coverage.add(inspectUpdate(base))
      expect(coverage.encodeStateVector()).toEqual(Y.encodeStateVector(compacted))
      for (const each of updates) {
        Y.applyUpdate(doc, each)
        coverage.add(inspectUpdate(each))
        expect(coverage.encodeStateVector()).toEqual(Y.encodeStateVector(settled(doc)))
      }
    }
  })
})
