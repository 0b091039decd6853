import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { readAwareness } from '@weft/protocol'
import type { BusPresence } from '../bus/index.js'
import type { PresenceOwner } from './presence-owner.js'
import { PresenceTicker } from './presence-ticker.js'
import { PresenceTable } from './presence.js'
import type { RoomObserver, RoomOutput } from './types.js'

interface Frame {
  readonly at: number
  readonly bytes: number
  readonly entries: Map<number, string | null>
}

let table: PresenceTable
let ticker: PresenceTicker
let frames: Frame[]
let told: number[]
let receivers: number
let announced: Map<number, string | null>
const owners = new Map<number, PresenceOwner>()

beforeEach(() => {
  vi.useFakeTimers({ now: 0, toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  start(1)
})
afterEach(() => {
  ticker.dispose()
  vi.useRealTimers()
})

const start = (count: number): void => {
  frames = []
  told = []
  receivers = count
  owners.clear()
  announced = new Map()
  table = new PresenceTable({ entriesPerConnection: 1 })
  const output: Pick<RoomOutput, 'receivers' | 'presence'> = {
    get receivers() {
      return receivers
    },
    presence: (update, users) => {
      for (const { id, user } of users) announced.set(id, user)
      const entries = readAwareness(update, 1e6, 1e6)
      for (const { clientId, state } of entries) {
        // P58: whose an id is is told before it is shown, and again when it was gone.
        if (state === null) announced.delete(clientId)
        else expect(announced.get(clientId)).toBe(`user ${clientId}`)
      }
      frames.push({
        at: performance.now(),
        bytes: update.length,
        entries: new Map(entries.map(({ clientId, state }) => [clientId, state])),
      })
    },
  }
  const observer = { fault: (_message: string, error: unknown) => expect.unreachable(String(error)) }
  const tell = (entries: readonly BusPresence[]): void => {
    if (entries.length > 0) told.push(performance.now())
  }
  ticker = new PresenceTicker(table, output as RoomOutput, observer as unknown as RoomObserver, tell)
}

const show = (id: number, clock: number, state: string | null): void => {
  const known = owners.get(id)
  const owner = known ?? { user: `user ${id}`, connection: `c${id}` }
  owners.set(id, owner)
  const entry = { clientId: id, clock, state: state === null ? null : JSON.stringify(state) }
  ticker.changed(table.apply(owner, [entry], known === undefined, performance.now()).left)
}

/** What a receiver of all frames shows in the end. */
const shown = (): Map<number, string> => {
  const all = new Map<number, string>()
  for (const { entries } of frames)
    for (const [id, state] of entries) {
      if (state === null) all.delete(id)
      else all.set(id, state)
    }
  return all
}

const state = 'x'.repeat(150)

describe('P33: how presence is gathered', () => {
  test('the first change goes at once, and what follows within the tick in one frame', () => {
    show(1, 1, 'a')
    show(1, 2, 'b')
    show(2, 1, 'c')
    expect(frames).toHaveLength(1)
    vi.advanceTimersByTime(39)
    expect(frames).toHaveLength(1)
    vi.advanceTimersByTime(1)
    expect(frames.map(({ entries }) => [...entries])).toEqual([
      [[1, '"a"']],
      [
        [1, '"b"'],
        [2, '"c"'],
      ],
    ])
  })

  test('five hundred who all move: small frames spread over the tick, each person in one of them', () => {
    start(500)
    for (let clock = 1; clock <= 20; clock++) {
      for (let id = 0; id < 500; id++) show(id, clock, state)
      vi.advanceTimersByTime(100)
    }
    const since = frames.filter(({ at }) => at >= 500 && at < 1_500)
    for (const { bytes } of since) expect(bytes).toBeLessThan(17_500)
    // Coalesced: not what 500 people send, and not more than a screen shows.
    expect(since.length).toBeLessThan(40)
    const times = Array.from(
      { length: 500 },
      (_, id) => since.filter(({ entries }) => entries.has(id)).length,
    )
    expect(Math.min(...times)).toBeGreaterThanOrEqual(4)
    expect(Math.max(...times)).toBeLessThanOrEqual(10)
    // Other nodes hear it once a tick.
    expect(told.filter((at) => at >= 500 && at < 1_500).length).toBeLessThanOrEqual(7)
  })

  test('P32: who leaves is gone at once, also while the states of others wait', () => {
    start(500)
    for (let id = 0; id < 500; id++) show(id, 1, state)
    vi.advanceTimersByTime(30)
    expect(shown().size).toBeLessThan(500)
    show(499, 2, null)
    show(0, 2, null)
    vi.advanceTimersByTime(5)
    expect(frames.slice(-2).flatMap(({ entries }) => [...entries])).toEqual([
      [499, null],
      [0, null],
    ])
    vi.advanceTimersByTime(1_000)
    expect(shown().size).toBe(498)
  })

  test('thousands of receivers: the loop has three quarters of its time for others', () => {
    start(5_000)
    for (let id = 0; id < 200; id++) show(id, 1, state)
    vi.advanceTimersByTime(5_000)
    const gaps = frames.slice(2).map(({ at }, i) => at - frames[i + 1]!.at)
    for (const gap of gaps) expect(gap).toBeGreaterThan(3 * 5_000 * 0.008)
    expect(shown().size).toBe(200)
  })
})

test('P33, by property: whatever changes and whoever leaves, in the end all of it was shown, and told to other nodes', () => {
  const step = fc.record({
    id: fc.nat(30),
    length: fc.constantFrom(0, 10, 5_000),
    leaves: fc.boolean(),
    wait: fc.constantFrom(0, 0, 0, 3, 30, 200),
  })
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 80, size: 'max' }),
      fc.constantFrom(1, 100, 2_000),
      (steps, count) => {
        start(count)
        const last = new Map<number, string>()
        for (const [i, { id, length, leaves, wait }] of steps.entries()) {
          const value = leaves ? null : 'x'.repeat(length)
          show(id, i + 1, value)
          if (value === null) last.delete(id)
          else last.set(id, JSON.stringify(value))
          vi.advanceTimersByTime(wait)
        }
        vi.advanceTimersByTime(60_000)
        expect(shown()).toEqual(last)
        expect([table.hasChanges, vi.getTimerCount()]).toEqual([false, 0])
      },
    ),
    { numRuns: 200 },
  )
})
