import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { BusPresence } from '../bus/index.js'
import { PresenceTable } from './presence.js'
import { names, PresenceCluster, type Step } from './testing/presence-cluster.js'
import { connection, entry, read } from './testing/presence-entries.js'

/* Presence across nodes: the tables of one room on several nodes, and what they tell each other. */

const limits = { entriesPerConnection: 4 }

/** Tells `to` what `from` has to tell. @returns what was told */
const pass = (from: PresenceTable, name: string, now: number, ...to: PresenceTable[]): BusPresence[] => {
  const told = from.takeTold()
  for (const table of to) table.hear(name, told, false, now)
  return told
}

const tables = (): [PresenceTable, PresenceTable, PresenceTable] => [
  new PresenceTable(limits),
  new PresenceTable(limits),
  new PresenceTable(limits),
]

describe('presence across nodes', () => {
  test('what a connection shows, renews and hides is told to other nodes; nothing of others is told on', () => {
    const [a, b] = tables()
    const ada = connection()
    a.apply(ada, [entry(1, 3, 'x')], true, 0)
    pass(a, 'a', 0, b)
    expect(read(b.takeChanges()?.update ?? null)).toEqual({ 1: [3, 'x'] })
    expect(b.takeTold()).toEqual([])
    // Stock clients renew: the same state under the next clock.
    a.apply(ada, [entry(1, 4, 'x')], false, 15_000)
    pass(a, 'a', 15_000, b)
    expect(read(b.takeChanges()?.update ?? null)).toEqual({ 1: [4, 'x'] })
    a.apply(ada, [entry(1, 5, null)], false, 15_001)
    const told = pass(a, 'a', 15_001)
    expect(b.hear('a', told, false, 15_001)).toEqual({ left: true })
    expect(read(b.takeChanges()?.update ?? null)).toEqual({ 1: [5, null] })
    expect(b.takeTold()).toEqual([])
  })

  test('P30: on no node does another connection speak for an id, nor another node', () => {
    const [a, b] = tables()
    a.apply(connection('ada'), [entry(1, 3, 'x')], true, 0)
    pass(a, 'a', 0, b)
    b.apply(connection('bob'), [entry(1, 9, 'forged')], true, 0)
    b.apply(connection('ada'), [entry(1, 9, 'echo')], false, 0)
    b.apply(connection('ada'), [entry(1, 9, null)], true, 0)
    b.hear('c', [{ connection: 'c-1', user: 'ada', clientId: 1, clock: 9, state: null }], false, 0)
    expect(b.takeTold()).toEqual([])
    expect(read(b.snapshot())).toEqual({ 1: [3, 'x'] })
  })

  test('P31: the first frame of a connection takes its id over from another node, which tells nothing of it later', () => {
    const [a, b, c] = tables()
    const [old, next] = [connection(), connection()]
    a.apply(old, [entry(1, 3, 'old')], true, 0)
    pass(a, 'a', 0, b, c)
    b.apply(next, [entry(1, 3, 'new')], true, 60_000)
    pass(b, 'b', 60_000, a, c)
    for (const table of [a, b, c]) expect(read(table.snapshot())).toEqual({ 1: [4, 'new'] })
    // The half-open socket still has something to say, and is noticed at last.
    a.apply(old, [entry(1, 9, 'late')], false, 60_001)
    a.drop(old, 60_002)
    expect(a.takeTold()).toEqual([])
    expect(a.whole()).toEqual([])
    expect(read(a.snapshot())).toEqual({ 1: [4, 'new'] })
  })

  test('P31: a leave that was on its way when another node took the id over removes nothing', () => {
    const [a, b, c] = tables()
    const old = connection()
    a.apply(old, [entry(1, 3, 'old')], true, 0)
    pass(a, 'a', 0, b, c)
    b.apply(connection(), [entry(1, 3, 'new')], true, 0)
    a.apply(old, [entry(1, 8, 'last')], false, 0)
    a.drop(old, 0)
    pass(b, 'b', 0, c)
    pass(a, 'a', 0, b, c)
    expect([read(b.snapshot()), read(c.snapshot())]).toEqual([{ 1: [4, 'new'] }, { 1: [4, 'new'] }])
  })

  test('P31: a node that was frozen while its client moved is told who has the id when it speaks for it again', () => {
    const [a, b, c] = tables()
    const old = connection()
    a.apply(old, [entry(1, 3, 'old')], true, 0)
    pass(a, 'a', 0, b, c)
    for (const table of [b, c]) table.dropNode('a', 4_000)
    b.apply(connection(), [entry(1, 3, 'new')], true, 10_000)
    pass(b, 'b', 10_000, c)
    // It heard nothing of that, and its socket to the client is open still.
    for (const table of [b, c]) table.hear('a', a.whole(), true, 20_000)
    expect(read(c.snapshot())[1]?.[1]).toBe('new')
    pass(b, 'b', 20_000, a, c)
    expect(a.drop(old, 20_001)).toBe(false)
    expect([a.takeTold(), read(a.snapshot())]).toEqual([[], read(b.snapshot())])
  })

  test.each([
    ['in its favour', 'z-new'],
    ['against it', 'a-new'],
  ])(
    'P31: a claim made before the node knew of the old connection wins, equal clocks ranking %s',
    (_how, name) => {
      const [a, b, c] = tables()
      const old = connection('ada', 'm-old')
      // Long ago: what it claimed then it does not defend.
      a.apply(old, [entry(1, 3, 'old')], true, 0)
      pass(a, 'a', 0, c)
      b.apply(connection('ada', name), [entry(1, 3, 'new')], true, 60_000)
      // The answer of node a crosses the claim.
      const answer = a.whole()
      pass(b, 'b', 60_000, a, c)
      b.hear('a', answer, true, 60_001)
      pass(a, 'a', 60_001, b, c)
      pass(b, 'b', 60_002, a, c)
      for (const table of [a, b, c]) expect(read(table.snapshot())[1]?.[1]).toBe('new')
      expect(a.drop(old, 60_003)).toBe(false)
      expect(a.takeTold()).toEqual([])
    },
  )

  test('P33: a node that removed an id and hears of it again raises its clock, and the clock of its node', () => {
    const [a, b, c] = tables()
    a.apply(connection(), [entry(1, 3, 'x')], true, 0)
    pass(a, 'a', 0, b, c)
    expect(b.dropNode('a', 1)).toBe(true)
    expect(read(b.takeChanges()?.update ?? null)).toEqual({ 1: [4, null] })
    // Node a was frozen, not dead, and its client is still there with the same clock.
    b.hear('a', a.whole(), true, 2)
    expect(read(b.takeChanges()?.update ?? null)).toEqual({ 1: [5, 'x'] })
    pass(b, 'b', 2, a, c)
    pass(a, 'a', 2, b, c)
    for (const table of [a, b, c]) expect(read(table.snapshot())).toEqual({ 1: [6, 'x'] })
    expect([a.takeTold(), b.takeTold(), c.takeTold()]).toEqual([[], [], []])
  })

  test('P33: one that leaves on one node and comes back on another with its old clock is seen on all', () => {
    const [a, b, c] = tables()
    const old = connection()
    a.apply(old, [entry(1, 3, 'x')], true, 0)
    pass(a, 'a', 0, b, c)
    a.drop(old, 1)
    pass(a, 'a', 1, b, c)
    const left = read(c.takeChanges()?.update ?? null)[1]?.[0]
    b.apply(connection(), [entry(1, 3, 'x')], true, 2)
    pass(b, 'b', 2, a, c)
    expect(read(c.takeChanges()?.update ?? null)).toEqual({ 1: [(left ?? 0) + 1, 'x'] })
  })

  test('what is not in all that a node shows has left; what other nodes show stays', () => {
    const [a, b, c] = tables()
    a.apply(connection(), [entry(1, 1, 'x')], true, 0)
    b.apply(connection(), [entry(2, 1, 'y')], true, 0)
    pass(a, 'a', 0, c)
    pass(b, 'b', 0, c)
    expect(c.nodes).toEqual(['a', 'b'])
    expect(c.hear('a', [], true, 1)).toEqual({ left: true })
    expect(read(c.snapshot())).toEqual({ 2: [1, 'y'] })
    expect(c.nodes).toEqual(['b'])
  })

  test('shown, taken over and left within one tick: the leave of the second removes what the first showed', () => {
    const [a, b] = tables()
    const [first, second] = [connection(), connection()]
    a.apply(first, [entry(1, 1, 'x')], true, 0)
    pass(a, 'a', 0, b)
    a.apply(second, [entry(1, 1, 'x')], true, 1)
    a.drop(second, 1)
    pass(a, 'a', 1, b)
    expect(b.snapshot()).toBeNull()
  })

  test('a state that its own leave overtook does not come back; the next one does', () => {
    const [a, b] = tables()
    const ada = connection()
    a.apply(ada, [entry(1, 1, 'x')], true, 0)
    pass(a, 'a', 0, b)
    a.apply(ada, [entry(1, 2, 'late')], false, 1)
    const late = a.takeTold()
    a.apply(ada, [entry(1, 3, null)], false, 2)
    pass(a, 'a', 2, b)
    b.hear('a', late, false, 3)
    expect(b.snapshot()).toBeNull()
    a.apply(ada, [entry(1, 4, 'back')], false, 4)
    pass(a, 'a', 4, b)
    expect(read(b.snapshot())).toEqual({ 1: [4, 'back'] })
  })

  test('I7: of two users who show one id on two nodes the clock does not decide; verified goes before anonymous', () => {
    const [a, b, c] = tables()
    a.apply(connection('ada'), [entry(1, 1, 'ada')], true, 0)
    b.apply(connection(null), [entry(1, 2 ** 40, 'forged')], true, 0)
    const [told, forged] = [a.takeTold(), b.takeTold()]
    c.hear('b', forged, false, 0)
    a.hear('b', forged, false, 0)
    for (const table of [b, c]) table.hear('a', told, false, 0)
    for (const table of [a, b, c]) expect(read(table.snapshot())[1]?.[1]).toBe('ada')
  })
})

const happened = { takeovers: 0, losses: 0, reordered: 0, returns: 0 }

const check = (steps: readonly Step[]): void => {
  const cluster = new PresenceCluster()
  try {
    for (const step of steps) cluster.step(step)
    cluster.settle()
    const views = names.map((node) => cluster.shown(node))
    expect(views[1]).toEqual(views[0])
    expect(views[2]).toEqual(views[0])
    // Each id is of exactly one connection, one that is there and means to show it.
    const claimed = names.flatMap((node) => cluster.tables[node].whole())
    expect(claimed.map(({ clientId }) => clientId).sort()).toEqual(Object.keys(views[0] ?? {}).map(Number))
    for (const { clientId, connection: name } of claimed) {
      const client = cluster.clients.find(({ owner }) => owner.connection === name)
      expect(client?.shows.has(clientId)).toBe(true)
      expect(views[0]?.[clientId]?.[1]).toBe(name)
    }
    // And who is there is never invisible.
    for (const { shows } of cluster.clients)
      for (const id of shows.keys()) expect(views[0]).toHaveProperty(`${id}`)
  } catch (error) {
    throw new Error(cluster.log.join('\n'), { cause: error })
  } finally {
    for (const key of Object.keys(happened) as (keyof typeof happened)[])
      happened[key] += cluster.happened[key]
  }
}

describe('presence across nodes, over a bus that loses, doubles and reorders', () => {
  const numbers = fc.nat({ max: 60 })
  const steps = fc.array(fc.tuple(fc.nat({ max: 18 }), numbers, numbers, numbers), {
    minLength: 5,
    maxLength: 60,
    size: 'max',
  })

  test.each([1, 2, 3])('once all nodes have told all, they show the same (seed %i)', (seed) => {
    fc.assert(fc.property(steps, check), { seed, numRuns: 1_500 })
  })

  test('the property was tested on something', () => {
    for (const count of Object.values(happened)) expect(count).toBeGreaterThan(50)
  })
})
