import { writeAwareness } from '@weft/protocol'
import { describe, expect, test } from 'vitest'
import { Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'
import { shallowEqual } from './equality.js'
import { createPresence, type PresenceChannel } from './presence.js'
import { FakeClock } from './testing/fake-clock.js'
import { Reports, settle } from './testing/harness.js'

interface Shown {
  readonly name: string
  readonly x: number
}

/** A channel, what it tells, and the others' states as frames of the server. */
const channel = (): {
  presence: PresenceChannel<Shown>
  told: string[]
  reports: Reports
  show(id: number, state: Partial<Shown> | null): void
} => {
  const reports = new Reports()
  const presence = createPresence<Shown>(new Awareness(new Y.Doc()), {
    client: {
      clock: new FakeClock(),
      presenceInterval: 33,
      logger: reports,
      idle: { idle: false, activity: () => undefined },
    },
    send: () => undefined,
    changed: () => undefined,
  })
  presence.up()
  const told: string[] = []
  for (const event of ['join', 'update', 'leave'] as const) {
    presence.on(event, (other) => told.push(`${event} ${other.clientId} ${other.presence.x}`))
  }
  let clock = 0
  const show = (clientId: number, state: Partial<Shown> | null): void =>
    presence.receive(writeAwareness([{ clientId, clock: ++clock, state: JSON.stringify(state) }]))
  return { presence, told, reports, show }
}

describe('presence events', () => {
  test('join, update and leave, each once, and nothing for a renewal', () => {
    const { told, show } = channel()
    show(7, { x: 1 })
    show(7, { x: 1 })
    show(7, { x: 2 })
    show(8, { x: 1 })
    show(7, null)
    show(7, null)
    show(7, { x: 3 })
    expect(told).toEqual(['join 7 1', 'update 7 2', 'join 8 1', 'leave 7 2', 'join 7 3'])
  })

  test('all leave with the connection, and with a document that is replaced', () => {
    const { presence, told, show } = channel()
    show(7, { x: 1 })
    presence.down()
    presence.up()
    show(7, { x: 1 })
    presence.rebind(new Awareness(new Y.Doc()))
    expect(told).toEqual(['join 7 1', 'leave 7 1', 'join 7 1', 'leave 7 1'])
    expect(presence.others).toEqual([])
    presence.destroy()
  })

  test('others keep their order, and their objects until they change', () => {
    const { presence, show } = channel()
    for (const id of [9, 7, 8]) show(id, { x: id })
    const before = presence.others
    expect(before.map(({ clientId }) => clientId)).toEqual([9, 7, 8])
    show(7, { x: 70 })
    const after = presence.others
    expect(after.map(({ clientId }) => clientId)).toEqual([9, 7, 8])
    expect(after[0]).toBe(before[0])
    expect(after[1]).not.toBe(before[1])
    expect(after[2]).toBe(before[2])
    expect(presence.others).toBe(after)
  })

  test('a selector is told of what it takes, and of nothing else', () => {
    const { presence, show } = channel()
    show(7, { name: 'Ada', x: 1 })
    const names: [string[], string[]][] = []
    const counts: number[] = []
    presence.subscribe(
      (others) => others.map((other) => other.presence.name ?? ''),
      (now, before) => names.push([now, before]),
      shallowEqual,
    )
    const stop = presence.subscribe(
      (others) => others.length,
      (count) => counts.push(count),
    )
    for (let x = 2; x < 50; x++) show(7, { name: 'Ada', x })
    expect([names, counts]).toEqual([[], []])
    show(8, { name: 'Bob', x: 1 })
    show(7, { name: 'Eve', x: 1 })
    expect(names).toEqual([
      [['Ada', 'Bob'], ['Ada']],
      [
        ['Eve', 'Bob'],
        ['Ada', 'Bob'],
      ],
    ])
    expect(counts).toEqual([2])
    stop()
    show(8, null)
    expect(counts).toEqual([2])
    presence.destroy()
  })

  test('a listener or a selector that throws hurts nobody', async () => {
    const { presence, told, reports, show } = channel()
    presence.on('join', () => {
      throw new Error('mine')
    })
    let selects = 0
    presence.subscribe(
      () => {
        if (++selects > 1) throw new Error('mine too')
        return 0
      },
      () => undefined,
    )
    show(7, { x: 1 })
    show(8, { x: 1 })
    expect(told).toEqual(['join 7 1', 'join 8 1'])
    await settle()
    expect(reports.messages).toHaveLength(4)
  })

  test('P58: the verified user of an id, also when it changes, comes back, or goes with the connection', () => {
    const { presence, told, show } = channel()
    const user = (): (string | null | undefined)[] => presence.others.map((other) => other.user)
    presence.receiveUsers([[7, 'ada']])
    expect(told).toEqual([])
    show(7, { x: 1 })
    show(8, { x: 1 })
    expect(user()).toEqual(['ada', null])
    presence.receiveUsers([
      [7, 'ada'],
      [8, 'bob'],
    ])
    expect(user()).toEqual(['ada', 'bob'])
    expect(told).toEqual(['join 7 1', 'join 8 1', 'update 8 1'])
    show(7, null)
    show(7, { x: 1 })
    expect(user()).toEqual(['bob', null])
    presence.down()
    show(8, { x: 1 })
    expect(user()).toEqual([null])
  })
})

test.each([
  [[1, 'a'], [1, 'a'], true],
  [[1], [1, 2], false],
  [{ a: 1 }, { a: 1 }, true],
  [{ a: undefined }, { b: undefined }, false],
  [[], {}, false],
  [NaN, NaN, true],
  [null, {}, false],
  [{ a: {} }, { a: {} }, false],
])('shallowEqual(%j, %j) is %s', (a, b, equal) => {
  expect(shallowEqual(a, b)).toBe(equal)
  expect(shallowEqual(b, a)).toBe(equal)
})
