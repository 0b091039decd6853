import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readAwareness, type AwarenessEntry } from '@weft/protocol'
import type { BusPresence } from '../bus/index.js'
import type { PresenceOwner } from './presence-owner.js'
import { PresenceTable } from './presence.js'

/* Presence across nodes: the tables of one room on several nodes, and what they tell each other. */

const limits = { entriesPerConnection: 4 }
const names = ['a', 'b', 'c'] as const
type Name = (typeof names)[number]

let connections = 0
const connection = (user: string | null = 'ada', name = `conn-${++connections}`): PresenceOwner => ({
  user,
  connection: name,
})
const entry = (clientId: number, clock: number, state: unknown): AwarenessEntry => ({
  clientId,
  clock,
  state: state === null ? null : JSON.stringify(state),
})

const read = (update: Uint8Array | null): Record<number, [clock: number, state: unknown]> =>
  Object.fromEntries(
    (update === null ? [] : readAwareness(update, 1e6, 1e6)).map(({ clientId, clock, state }) => [
      clientId,
      [clock, JSON.parse(state ?? 'null') as unknown],
    ]),
  )

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

/* Three tables, and a bus that loses, doubles and reorders what they tell. */

interface Message {
  readonly entries: readonly BusPresence[]
  readonly whole: boolean
}

interface Client {
  readonly node: Name
  readonly owner: PresenceOwner
  /** What it believes to show: id to clock. */
  readonly shows: Map<number, number>
}

/** Operations and their arguments, each taken modulo what there is. */
type Step = readonly [operation: number, x: number, y: number, z: number]

class Cluster {
  readonly tables = {
    a: new PresenceTable(limits),
    b: new PresenceTable(limits),
    c: new PresenceTable(limits),
  }
  readonly clients: Client[] = []
  readonly log: string[] = []
  /** What actually happened: the test says at its end that it was something. */
  readonly happened = { takeovers: 0, losses: 0, reordered: 0, returns: 0 }
  private readonly links = new Map<string, Message[]>()
  private readonly announced = new Map<string, number>()
  private now = 0
  private made = 0

  step([operation, x, y, z]: Step): void {
    this.now += 1 + (z % 3) * 1_000
    const node = names[x % 3] ?? 'a'
    const client = this.clients[y % Math.max(1, this.clients.length)]
    switch (operation) {
      case 0:
      case 1:
        this.claim(node, [y % 3], z)
        return
      case 2:
        this.claim(node, [y % 3, 3 + (z % 2)], z)
        return
      case 3:
      case 4:
        if (client !== undefined) this.renew(client, z)
        return
      case 5:
        if (client !== undefined) this.hide(client)
        return
      case 6:
        if (client === undefined) return
        this.tables[client.node].drop(client.owner, this.now)
        this.clients.splice(this.clients.indexOf(client), 1)
        this.note(`${client.owner.connection} is gone`)
        return
      case 7:
      case 8:
        this.flush(node)
        return
      case 9:
        this.send(node, { entries: this.tables[node].whole(), whole: true })
        return
      case 10:
        this.tables[node].dropNode(names[y % 3] ?? 'a', this.now)
        this.note(`${node} gives ${names[y % 3] ?? ''} up`)
        return
      default:
        this.deliver(node, names[y % 3] ?? 'a', z, operation)
    }
  }

  /** What is on its way is lost; then everybody tells everything, until nothing changes any more. */
  settle(): void {
    this.links.clear()
    for (let round = 0; round < 60; round++) {
      this.now += 200
      const before = this.view()
      for (const node of names) {
        this.flush(node)
        this.send(node, { entries: this.tables[node].whole(), whole: true })
      }
      const moved = [...this.links.values()].some((queue) => queue.some(({ whole }) => !whole))
      for (const from of names)
        for (const to of names) while (this.deliverOne(from, to, 0, false)) this.note(`${from} > ${to}`)
      if (!moved && before === this.view() && names.every((node) => !this.tables[node].hasChanges)) return
    }
    throw new Error('the tables tell each other something for ever')
  }

  shown(node: Name): ReturnType<typeof read> {
    return read(this.tables[node].snapshot())
  }

  private view(): string {
    return JSON.stringify(names.map((node) => this.shown(node)))
  }

  private claim(node: Name, ids: readonly number[], z: number): void {
    // Ids 0 and 1 are one user's on all nodes; 2 and up collide.
    const user = ids[0] === undefined || ids[0] < 2 ? 'ada' : (['ada', 'bob', null][z % 3] ?? null)
    // Neither the older nor the newer one always ranks higher.
    const owner = connection(user, `${z % 10}-${++this.made}`)
    const client: Client = { node, owner, shows: new Map() }
    if (ids.some((id) => this.clients.some(({ shows }) => shows.has(id)))) this.happened.takeovers++
    for (const id of ids) client.shows.set(id, z % 8)
    this.clients.push(client)
    this.show(client, ids, true)
  }

  private show(client: Client, ids: readonly number[], first: boolean): void {
    const entries = ids.map((id) => entry(id, client.shows.get(id) ?? 0, client.owner.connection))
    this.tables[client.node].apply(client.owner, entries, first, this.now)
    this.note(`${client.owner.connection} shows ${JSON.stringify(entries)} on ${client.node}, first ${first}`)
  }

  private renew(client: Client, z: number): void {
    for (const [id, clock] of client.shows) {
      client.shows.set(id, clock + 1 + (z % 2))
      this.show(client, [id], false)
    }
  }

  private hide(client: Client): void {
    const [id] = client.shows.keys()
    if (id === undefined) return
    const clock = (client.shows.get(id) ?? 0) + 1
    client.shows.delete(id)
    this.tables[client.node].apply(client.owner, [entry(id, clock, null)], false, this.now)
    this.note(`${client.owner.connection} hides ${id}`)
  }

  /** A tick of a node: its clients hear what changed, and one that hears of its own leave says that it is there. */
  private flush(node: Name): void {
    const entries = this.tables[node].takeTold()
    if (entries.length > 0) this.send(node, { entries, whole: false })
    const update = this.tables[node].takeChanges()?.update ?? null
    for (const [key, [clock, state]] of Object.entries(read(update))) {
      const id = Number(key)
      const last = this.announced.get(`${node}${id}`) ?? -1
      if (clock < last) throw new Error(`P33: node ${node} announces ${id} with ${clock} after ${last}`)
      this.announced.set(`${node}${id}`, clock)
      if (state !== null) continue
      for (const client of this.clients) {
        if (client.node !== node || !client.shows.has(id)) continue
        this.happened.returns++
        client.shows.set(id, clock + 1)
        this.show(client, [id], false)
      }
    }
  }

  private send(from: Name, message: Message): void {
    this.note(`${from} tells ${JSON.stringify(message)}`)
    for (const to of names) {
      if (to === from) continue
      const queue = this.links.get(from + to)
      if (queue === undefined) this.links.set(from + to, [message])
      else queue.push(message)
    }
  }

  private deliver(from: Name, to: Name, z: number, operation: number): void {
    const queue = this.links.get(from + to)
    if (queue === undefined || queue.length === 0) return
    const index = z % queue.length
    if (operation === 11) {
      queue.splice(index, 1)
      this.happened.losses++
      this.note(`${from} > ${to} loses ${index}`)
      return
    }
    if (index > 0) this.happened.reordered++
    this.deliverOne(from, to, index, operation === 12)
    this.note(`${from} > ${to} delivers ${index}${operation === 12 ? ' and again' : ''}`)
  }

  private deliverOne(from: Name, to: Name, index: number, keep: boolean): boolean {
    const queue = this.links.get(from + to)
    const message = queue?.[index]
    if (message === undefined) return false
    if (!keep) queue?.splice(index, 1)
    this.tables[to].hear(from, message.entries, message.whole, this.now)
    return true
  }

  private note(what: string): void {
    this.log.push(what)
  }
}

const happened = { takeovers: 0, losses: 0, reordered: 0, returns: 0 }

const check = (steps: readonly Step[]): void => {
  const cluster = new Cluster()
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
