import { Awareness, applyAwarenessUpdate, encodeAwarenessUpdate } from 'y-protocols/awareness'
import * as Y from 'yjs'
import { afterEach, describe, expect, test } from 'vitest'
import { readAwareness } from '@weft/protocol'
import { maxRemembered } from './presence-gone.js'
import type { PresenceOwner } from './presence-owner.js'
import { maxPresenceBytes, PresenceTable } from './presence.js'
import { entry, read } from './testing/presence-entries.js'

const limits = { entriesPerConnection: 4 }
let connections = 0
const connection = (user: string | null = null): PresenceOwner => ({
  user,
  connection: `c${++connections}`,
})
/** What members and other nodes are to be told. */
const changesOf = (table: PresenceTable): Uint8Array | null => {
  table.takeTold()
  return table.takeChanges()?.update ?? null
}

describe('I6: memory', () => {
  const long = 'x'.repeat(1024 * 1024 - 1_000)

  test('a room shows so much at once, and another state in place of a shorter one as well', () => {
    const table = new PresenceTable(limits)
    const owners = Array.from({ length: 5 }, () => connection())
    const full = owners.map((owner, i) => table.apply(owner, [entry(i, 1, long)], true, 0).full)
    expect(full).toEqual([false, false, false, false, true])
    expect(table.size).toBe(4)
    expect(table.bytes).toBeLessThanOrEqual(maxPresenceBytes)
    // A shorter one has room, and makes room.
    expect(table.apply(owners[0]!, [entry(0, 2, 'short')], false, 1).full).toBe(false)
    expect(table.apply(owners[4]!, [entry(4, 2, long)], true, 1).full).toBe(false)
    expect(table.apply(owners[0]!, [entry(0, 3, long)], false, 2).full).toBe(true)
    expect(read(table.snapshot())[0]).toEqual([2, 'short'])
    for (const owner of owners) table.drop(owner, 3)
    expect(table.bytes).toBe(0)
  })

  test('what all rooms may hold together is asked before, with all entries of a frame', () => {
    const asked: number[] = []
    const table = new PresenceTable({ ...limits, fits: (more) => asked.push(more) < 3 })
    const { full } = table.apply(
      connection(),
      [1, 2, 3].map((id) => entry(id, 1, 'x')),
      true,
      0,
    )
    expect([full, table.size]).toEqual([true, 2])
    expect(asked).toEqual([1, 2, 3].map((count) => count * (asked[0] ?? 0)))
  })

  test('of other nodes no more is shown either', () => {
    const table = new PresenceTable({ ...limits, fits: () => false })
    const told = { clientId: 1, clock: 1, state: '1', user: null, connection: 'far' }
    table.hear('node', [told], true, 0)
    expect([table.size, table.bytes]).toEqual([0, 0])
  })
})

describe('who may speak for an id', () => {
  test('P31: the first to show an id owns it; P30: what others say of it is ignored', () => {
    const table = new PresenceTable(limits)
    const [ada, bob] = [connection('ada'), connection('bob')]
    table.apply(ada, [entry(1, 1, 'a')], true, 0)
    expect(read(changesOf(table))).toEqual({ 1: [1, 'a'] })
    table.apply(bob, [entry(1, 9, 'forged')], false, 0)
    table.apply(bob, [entry(1, 9, null)], false, 0)
    table.apply(bob, [entry(1, 9, 'forged'), entry(2, 1, 'b')], true, 0)
    expect(read(changesOf(table))).toEqual({ 2: [1, 'b'] })
    expect(read(table.snapshot())).toEqual({ 1: [1, 'a'], 2: [1, 'b'] })
  })

  test.each([
    ['its first frame, of the same user, with one id', 'ada', true, 1, true],
    ['a later frame', 'ada', false, 1, false],
    ['a frame with two ids', 'ada', true, 2, false],
    ['another user', 'bob', true, 1, false],
    ['an anonymous user', null, true, 1, false],
  ])('P31: takeover by %s', (_name, user, first, count, taken) => {
    const table = new PresenceTable(limits)
    const [old, next] = [connection('ada'), connection(user)]
    table.apply(old, [entry(1, 3, 'old')], true, 0)
    const entries = [entry(1, 3, 'new'), entry(2, 1, 'x')].slice(0, count)
    table.apply(next, entries, first, 1)
    expect(read(table.snapshot())[1]).toEqual(taken ? [4, 'new'] : [3, 'old'])
    changesOf(table)
    // When the half-open socket is noticed at last, the id stays with who has it now.
    table.drop(old, 2)
    expect(read(table.snapshot())[1]?.[1]).toBe(taken ? 'new' : undefined)
  })

  test('a first frame may not take an id over by a leave', () => {
    const table = new PresenceTable(limits)
    table.apply(connection('ada'), [entry(1, 3, 'old')], true, 0)
    table.apply(connection('ada'), [entry(1, 4, null)], true, 1)
    expect(read(table.snapshot())).toEqual({ 1: [3, 'old'] })
  })

  test('P30: a leave of somebody unknown, and an empty frame, are nothing', () => {
    const table = new PresenceTable(limits)
    table.apply(connection(), [entry(1, 3, null)], true, 0)
    table.apply(connection(), [], true, 0)
    expect(changesOf(table)).toBeNull()
    expect(table.snapshot()).toBeNull()
  })
})

describe('leaving and returning', () => {
  test('P30: a leave is told; P32: so is the end of a connection, for all its ids', () => {
    const table = new PresenceTable(limits)
    const ada = connection('ada')
    table.apply(ada, [entry(1, 1, 'a'), entry(2, 1, 'b')], true, 0)
    changesOf(table)
    expect(table.apply(ada, [entry(1, 2, null)], false, 1).left).toBe(true)
    expect(read(changesOf(table))).toEqual({ 1: [2, null] })
    expect(table.drop(ada, 2)).toBe(true)
    expect(read(changesOf(table))).toEqual({ 2: [2, null] })
    expect(table.drop(ada, 3)).toBe(false)
    expect(table.size).toBe(0)
  })

  test('P33: clocks only grow: one who returns with its old clock is announced with a later one', () => {
    const table = new PresenceTable(limits)
    const clocks: number[] = []
    const announce = (): void => void clocks.push(read(changesOf(table))[1]?.[0] ?? -1)
    for (let round = 0; round < 3; round++) {
      const again = connection('ada')
      table.apply(again, [entry(1, 1, 'a')], true, round)
      announce()
      table.drop(again, round)
      announce()
    }
    expect(clocks).toEqual([...clocks].sort((a, b) => a - b))
    expect(new Set(clocks).size).toBe(6)
  })

  test('P43: the late echo of one who has left does not bring it back', () => {
    const table = new PresenceTable(limits)
    const [ada, bob] = [connection('ada'), connection('bob')]
    table.apply(ada, [entry(1, 1, 'a')], true, 0)
    table.apply(bob, [entry(2, 1, 'b')], true, 0)
    table.drop(ada, 1)
    changesOf(table)
    table.apply(bob, [entry(1, 1, 'a')], false, 2)
    table.apply(bob, [entry(1, 1, 'a'), entry(2, 1, 'b')], false, 2)
    expect(changesOf(table)).toBeNull()
    expect(read(table.snapshot())).toEqual({ 2: [1, 'b'] })
  })

  test('one connection hides and shows itself again', () => {
    const table = new PresenceTable(limits)
    const ada = connection('ada')
    table.apply(ada, [entry(1, 1, 'a')], true, 0)
    table.apply(ada, [entry(1, 2, null)], false, 1)
    changesOf(table)
    table.apply(ada, [entry(1, 3, 'back')], false, 2)
    expect(read(changesOf(table))).toEqual({ 1: [3, 'back'] })
  })
})

describe('limits', () => {
  test('a connection shows at most so many ids', () => {
    const table = new PresenceTable(limits)
    const ada = connection('ada')
    table.apply(
      ada,
      Array.from({ length: 10 }, (_, id) => entry(id, 1, 'a')),
      true,
      0,
    )
    for (let id = 10; id < 20; id++) table.apply(ada, [entry(id, 1, 'a')], false, 0)
    expect(table.size).toBe(4)
  })

  test('I6: one that shows ids and hides them again does not fill the memory', () => {
    const table = new PresenceTable(limits)
    const ada = connection('ada')
    for (let id = 0; id < 200_000; id++) {
      table.apply(ada, [entry(id, 1, 'a')], false, 0)
      table.apply(ada, [entry(id, 2, null)], false, 0)
      if (id % 100 === 0) changesOf(table)
    }
    expect(table.remembered).toBeLessThanOrEqual(maxRemembered)
    expect(table.size).toBe(0)
  })

  test('what left is forgotten after a while', () => {
    const table = new PresenceTable(limits)
    table.apply(connection(), [entry(1, 7, 'a')], true, 0)
    const again = connection()
    table.apply(again, [entry(2, 1, 'b')], true, 0)
    table.drop(again, 0)
    changesOf(table)
    table.apply(connection(), [entry(3, 1, 'c')], true, 120_000)
    expect(table.remembered).toBe(0)
  })
})

const seededRandom = (seed: number): (() => number) => {
  let x = seed
  return () => {
    x = (Math.imul(x ^ (x >>> 15), 2_246_822_519) + 0x9e37_79b9) >>> 0
    return x / 2 ** 32
  }
}

/**
 * A stock client: real y-protocols awareness, which sends every change that it makes or hears. Frames travel in both
 * directions with a delay of some ticks.
 */
class StockClient {
  readonly doc = new Y.Doc()
  readonly awareness = new Awareness(this.doc)
  owner = connection('ada')
  connected = false
  readonly up: { readonly frame: Uint8Array; readonly first: boolean }[] = []
  readonly down: Uint8Array[] = []

  constructor(id: number) {
    this.doc.clientID = id
    this.awareness.destroy()
    this.awareness = new Awareness(this.doc)
    this.awareness.setLocalState(null)
    this.awareness.on(
      'update',
      ({ added, updated, removed }: { added: number[]; updated: number[]; removed: number[] }) => {
        if (this.connected) this.send([...added, ...updated, ...removed], false)
      },
    )
  }

  connect(): void {
    this.owner = connection('ada')
    this.connected = true
    if (this.awareness.getLocalState() !== null) {
      this.send([this.doc.clientID], true)
    }
  }

  /** @param first sent on connecting, before anything can have been heard */
  private send(ids: number[], first: boolean): void {
    this.up.push({ frame: encodeAwarenessUpdate(this.awareness, ids), first })
  }

  disconnect(table: PresenceTable): void {
    this.connected = false
    this.up.length = this.down.length = 0
    table.drop(this.owner, 0)
  }

  /** One frame up. */
  sendOne(table: PresenceTable): void {
    const sent = this.up.shift()
    if (sent !== undefined) table.apply(this.owner, readAwareness(sent.frame, 1e6, 1e6), sent.first, 0)
  }

  /** One frame down. */
  hearOne(): void {
    const frame = this.down.shift()
    if (frame !== undefined) applyAwarenessUpdate(this.awareness, frame, 'server')
  }
}

describe('P43: stock clients that echo what they hear', () => {
  const clients: StockClient[] = []
  const client = (id: number): StockClient => {
    const made = new StockClient(id)
    clients.push(made)
    return made
  }
  afterEach(() => {
    for (const each of clients.splice(0)) each.awareness.destroy()
  })

  /** Lets frames travel until none is on its way. @returns the frames that the table announced */
  const settle = (table: PresenceTable, random: () => number): number => {
    let announced = 0
    for (let step = 0; step < 2_000; step++) {
      const busy = clients.filter(({ up, down }) => up.length + down.length > 0)
      if (busy.length === 0 && !table.hasChanges) return announced
      const one = busy[Math.floor(random() * busy.length)]
      if (one !== undefined && random() < 0.7) {
        if (random() < 0.5) one.sendOne(table)
        else one.hearOne()
      } else {
        const update = changesOf(table)
        if (update !== null) announced++
        if (update !== null) for (const each of clients) if (each.connected) each.down.push(update)
      }
    }
    throw new Error('the echoes go round for ever')
  }

  test('a state set right after a return, before the raised clock is heard, settles on that state', () => {
    for (let seed = 1; seed <= 200; seed++) {
      const random = seededRandom(seed)
      const table = new PresenceTable(limits)
      const [a, b] = [client(1), client(2)]
      a.connect()
      b.connect()
      for (let i = 0; i < 5; i++) a.awareness.setLocalState({ at: i })
      settle(table, random)
      a.disconnect(table)
      const gone = changesOf(table)
      if (gone !== null) b.down.push(gone)
      a.connect()
      a.sendOne(table)
      const raised = changesOf(table)
      if (raised !== null) for (const each of [a, b]) each.down.push(raised)
      // Not heard yet by a: its new state has a clock below the raised one.
      a.awareness.setLocalState({ at: 'new' })
      expect(settle(table, random), `seed ${seed}`).toBeLessThanOrEqual(2)
      expect(a.awareness.getLocalState(), `seed ${seed}`).toEqual({ at: 'new' })
      expect(b.awareness.getStates().get(1), `seed ${seed}`).toEqual({ at: 'new' })
      for (const each of clients.splice(0)) each.awareness.destroy()
    }
  })

  test('any interleaving of edits, drops and returns settles, and everybody sees the last state', () => {
    for (let seed = 1; seed <= 300; seed++) {
      const random = seededRandom(seed)
      const table = new PresenceTable(limits)
      const all = [client(1), client(2), client(3)]
      for (const each of all) each.connect()
      for (let step = 0; step < 60; step++) {
        const one = all[Math.floor(random() * 3)]!
        const choice = random()
        if (choice < 0.35) one.awareness.setLocalState({ step })
        else if (choice < 0.4) one.awareness.setLocalState(null)
        else if (choice < 0.5 && one.connected) one.disconnect(table)
        else if (!one.connected) {
          one.connect()
          const everybody = table.snapshot()
          if (everybody !== null && one.up.length === 0) one.down.push(everybody)
        } else if (choice < 0.7) one.sendOne(table)
        else if (choice < 0.85) one.hearOne()
        else {
          const update = changesOf(table)
          if (update !== null) for (const each of all) if (each.connected) each.down.push(update)
        }
      }
      for (const each of all) if (!each.connected) each.connect()
      settle(table, random)
      // A newcomer's snapshot, as after `done`, completes those that connected while nothing changed.
      for (const each of all) {
        const everybody = table.snapshot()
        if (everybody !== null) each.down.push(everybody)
      }
      expect(settle(table, random), `seed ${seed}`).toBeLessThan(50)
      // One that has left may linger at a client that was offline then, until that client's own timeout.
      const shown = read(table.snapshot())
      for (const seen of all) {
        const state = seen.awareness.getLocalState()
        expect(shown[seen.doc.clientID]?.[1] ?? null, `seed ${seed}`).toEqual(state)
        if (state === null) continue
        for (const seer of all) {
          expect(seer.awareness.getStates().get(seen.doc.clientID), `seed ${seed}`).toEqual(state)
        }
      }
      for (const each of clients.splice(0)) each.awareness.destroy()
    }
  })
})
