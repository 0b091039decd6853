import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { NodeWatch } from './node-watch.js'
import { ScriptedBus } from './testing/scripted-bus.js'
import { silentObserver } from './testing/scripted.js'

let bus: ScriptedBus
let watch: NodeWatch
/** What the watch does to the one room that is open. */
let done: string[]
/** What an operator is told. */
let told: string[]

const start = (): void => {
  const presence = {
    ask: () => void done.push('ask'),
    healed: () => void done.push('healed'),
    dropNode: (node: string) => void done.push(`drop ${node}`),
  }
  watch = new NodeWatch(
    bus,
    () => [{ presence }],
    {
      ...silentObserver,
      gone: (node, by) => void told.push(`gone ${node} by ${by}`),
      back: (node) => void told.push(`back ${node}`),
    },
    5_000,
  )
}

/** The event loop stands still, as under SIGSTOP: time passes, and each timer is late. */
const freeze = (ms: number): void => {
  const now = performance.now.bind(performance)
  vi.spyOn(performance, 'now').mockImplementation(() => now() + ms)
}

beforeEach(() => {
  vi.useFakeTimers()
  bus = new ScriptedBus()
  done = []
  told = []
  start()
})

afterEach(() => {
  watch.dispose()
  vi.restoreAllMocks()
  vi.useRealTimers()
})

/** Seconds in which these nodes are alive. */
const live = (seconds: number, ...nodes: string[]): void => {
  for (let second = 0; second < seconds; second++) {
    vi.advanceTimersByTime(1_000)
    for (const node of nodes) bus.hear('alive', node)
  }
}

describe('presence across nodes: who is alive', () => {
  test('a node says that it is alive at its start and every second, until it is disposed', () => {
    expect(bus.announced).toEqual([{ kind: 'alive' }])
    vi.advanceTimersByTime(5_000)
    expect(bus.announced).toHaveLength(6)
    watch.dispose()
    vi.advanceTimersByTime(5_000)
    bus.hear('bye', 'b')
    expect([bus.announced.length, done]).toEqual([6, []])
  })

  test('a node that is alone says nothing', () => {
    watch.dispose()
    bus.announced.length = 0
    bus.isAlone = true
    start()
    vi.advanceTimersByTime(5_000)
    expect(bus.announced).toEqual([])
  })

  test('P32: a node that is silent for 3 s is gone before 5 s; one that speaks stays', () => {
    live(10, 'b', 'c')
    expect(watch.size).toBe(2)
    live(2, 'c')
    expect(done).toEqual([])
    live(2, 'c')
    expect(done).toEqual(['drop b'])
    expect(watch.size).toBe(1)
    live(10, 'c')
    expect(done).toEqual(['drop b'])
  })

  test('whatever a node says of a room is a sign of life, and makes it known', () => {
    watch.heard('b')
    vi.advanceTimersByTime(2_500)
    watch.heard('b')
    vi.advanceTimersByTime(2_500)
    expect(done).toEqual([])
    vi.advanceTimersByTime(1_500)
    expect(done).toEqual(['drop b'])
  })

  test('P32: a node that says goodbye is gone at once, and not asked for when it is heard again', () => {
    live(2, 'b')
    bus.hear('bye', 'b')
    expect(done).toEqual(['drop b'])
    bus.hear('alive', 'b')
    expect(done).toEqual(['drop b'])
  })

  test('a node that was given up and speaks again is asked what it shows, once', () => {
    live(2, 'b')
    live(5)
    expect(done).toEqual(['drop b'])
    expect(told).toEqual(['gone b by bus'])
    live(3, 'b')
    expect(done).toEqual(['drop b', 'ask'])
    expect(told).toEqual(['gone b by bus', 'back b'])
  })

  test('an operator is told nothing of a node that says goodbye, nor of anybody while the bus is away', () => {
    live(2, 'b', 'c')
    bus.hear('bye', 'b')
    bus.becomes(false)
    live(10)
    expect(told).toEqual([])
  })

  test('while the bus is away nobody is gone; after it heals, rooms ask, and who stays silent for 3 s is gone', () => {
    live(2, 'b', 'c')
    bus.becomes(false)
    live(60)
    expect(done).toEqual([])
    bus.becomes(true)
    expect(done).toEqual(['healed'])
    live(2, 'c')
    expect(done).toEqual(['healed'])
    live(2, 'c')
    expect(done).toEqual(['healed', 'drop b'])
  })

  test('while it is in doubt whether the bus delivers nobody is gone, until 3 s after it does', () => {
    live(2, 'b', 'c')
    bus.isDoubtful = true
    live(4)
    bus.isDoubtful = false
    live(2, 'c')
    expect([done, told]).toEqual([[], []])
    live(2, 'c')
    expect([done, told]).toEqual([['drop b'], ['gone b by bus']])
  })

  test('a node that was frozen gives nobody up before it could hear them, and asks', () => {
    live(2, 'b', 'c')
    freeze(20_000)
    vi.advanceTimersByTime(1_000)
    expect(done).toEqual(['healed'])
    live(3, 'c')
    expect(done).toEqual(['healed', 'drop b'])
  })
})

describe('P32: presence across nodes: who is alive while the bus is away', () => {
  let now = 1_000_000
  /** Half a second passes, and the rows are read: each of a node and when it runs out, in milliseconds from then. */
  const rows = (...aliveFor: readonly (readonly [node: string, ms: number])[]): void => {
    now += 500
    watch.rowsRead(
      { heads: new Map(), now, aliveUntil: new Map(aliveFor.map(([node, ms]) => [node, now + ms])) },
      500,
    )
  }
  /** Longer than the grace with which the readings begin. */
  const settle = (...nodes: string[]): void => {
    for (let second = 0; second < 10; second += 0.5) rows(...nodes.map((node) => [node, 3_000] as const))
  }

  test('a node that does not renew its row is gone, once; the others stay', () => {
    live(2, 'b', 'c')
    bus.becomes(false)
    settle('b', 'c')
    rows(['b', 1], ['c', 3_000])
    expect(done).toEqual([])
    rows(['b', -1], ['c', 3_000])
    rows(['b', -500], ['c', 3_000])
    expect([done, told, watch.size]).toEqual([['drop b'], ['gone b by database'], 1])
  })

  test('a node that was given up and is heard again when the bus is back is asked what it shows', () => {
    live(2, 'b')
    bus.becomes(false)
    settle('b')
    rows(['b', -1])
    bus.becomes(true)
    live(1, 'b')
    expect(done).toEqual(['drop b', 'healed', 'ask'])
    expect(told).toEqual(['gone b by database', 'back b'])
  })

  test('a node that stops removes its row, and is gone at once', () => {
    live(2, 'b', 'c')
    bus.becomes(false)
    rows(['b', 3_000], ['c', 3_000])
    rows(['c', 3_000])
    expect([done, told]).toEqual([['drop b'], []])
  })

  test('a node of an older release has no row: it is kept, and told by the bus when that is back', () => {
    live(2, 'old')
    bus.becomes(false)
    settle()
    expect(done).toEqual([])
    bus.becomes(true)
    live(4)
    expect(told).toEqual(['gone old by bus'])
  })

  test('while the bus is healthy it tells, and no row does', () => {
    live(2, 'b', 'c')
    settle('b', 'c')
    rows(['b', -1])
    expect(done).toEqual([])
    // It stopped, and its goodbye was lost with the bus.
    bus.becomes(false)
    rows(['b', 3_000])
    expect(done).toEqual(['drop c'])
  })

  test('a database that was away too gives everybody time to renew; who does not is gone then', () => {
    live(2, 'b', 'c')
    bus.becomes(false)
    settle('b', 'c')
    watch.rowsUnread()
    rows(['b', -1], ['c', -1])
    expect(done).toEqual([])
    settle('c')
    expect(done).toEqual(['drop b'])
  })

  test('a dead node that nobody has heard is no news', () => {
    bus.becomes(false)
    settle()
    rows(['b', -1])
    expect([done, told]).toEqual([[], []])
  })
})
