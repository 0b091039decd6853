import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { asRoomId, type RoomId } from '../ids.js'
import type { Room } from './room.js'
import { Sweep } from './sweep.js'
import { ScriptedBus } from './testing/scripted-bus.js'

type Row = { readonly headSeq: number; readonly epoch: number }

let bus: ScriptedBus
let rows: Map<RoomId, Row>
let asked: number[][]
let failures: unknown[]
let isAway: boolean
let told: (Row | null)[]
/** What was done about the nodes' rows. */
let rowsDone: string[]
/** The rows of other nodes: until when they are alive, where it is one million milliseconds now. */
let aliveUntil: Map<string, number>
let open: Room[]
let sweep: Sweep

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  bus = new ScriptedBus()
  rows = new Map([[asRoomId(1), { headSeq: 7, epoch: 3 }]])
  asked = []
  failures = []
  told = []
  isAway = false
  rowsDone = []
  aliveUntil = new Map()
  const room = (id: number): Room =>
    ({ id: asRoomId(id), isEnded: false, swept: (row: Row | null) => void told.push(row) }) as unknown as Room
  open = [room(1), room(2)]
  const answer = <T>(ids: readonly RoomId[], found: T): Promise<T> => {
    asked.push([...ids])
    return isAway ? Promise.reject(new Error('away')) : Promise.resolve(found)
  }
  const done = (what: string): Promise<void> => {
    rowsDone.push(what)
    return Promise.resolve()
  }
  sweep = new Sweep({
    rooms: { [Symbol.iterator]: () => open.values() },
    store: {
      heads: (ids) => answer(ids, rows),
      sweep: (node, leaseMs, ids) => {
        rowsDone.push(`${node} renews for ${leaseMs}`)
        return answer(ids, { heads: rows, now: 1_000_000, aliveUntil })
      },
      removeNode: (node) => done(`${node} removed`),
      removeDeadNodes: (deadForMs) => done(`dead for ${deadForMs} removed`),
    },
    bus,
    nodes: {
      rowsRead: (swept, interval) => void rowsDone.push(`read ${swept.aliveUntil.size}, next in ${interval}`),
      rowsUnread: () => void rowsDone.push('not read'),
    },
    interval: 5_000,
    intervalAway: 500,
    afterOpening: 300,
    failed: (error) => failures.push(error),
    swept: () => undefined,
  })
})

afterEach(async () => {
  await sweep.dispose()
  vi.useRealTimers()
})

test('I4: one query for all rooms every interval; a room that is not there any more is told so', async () => {
  await vi.advanceTimersByTimeAsync(4_999)
  expect(asked).toEqual([])
  await vi.advanceTimersByTimeAsync(1)
  expect(asked).toEqual([[1, 2]])
  expect(told).toEqual([{ headSeq: 7, epoch: 3 }, null])
  await vi.advanceTimersByTimeAsync(15_000)
  expect(asked).toHaveLength(4)
})

test('I4: often while the bus is away, and at once when that changes', async () => {
  bus.becomes(false)
  await vi.advanceTimersByTimeAsync(0)
  expect(asked).toHaveLength(1)
  await vi.advanceTimersByTimeAsync(2_000)
  expect(asked).toHaveLength(5)
  bus.becomes(true)
  await vi.advanceTimersByTimeAsync(0)
  expect(asked).toHaveLength(6)
  await vi.advanceTimersByTimeAsync(4_000)
  expect(asked).toHaveLength(6)
})

test('soon after a room was opened; many openings are one sweep', async () => {
  for (let i = 0; i < 10; i++) {
    sweep.opened()
    await vi.advanceTimersByTimeAsync(10)
  }
  await vi.advanceTimersByTimeAsync(400)
  expect(asked).toHaveLength(1)
})

test('a database that is away is reported once, and asked again', async () => {
  isAway = true
  await vi.advanceTimersByTimeAsync(20_000)
  expect(asked).toHaveLength(4)
  expect(failures).toHaveLength(1)
  isAway = false
  await vi.advanceTimersByTimeAsync(5_000)
  expect(told).toHaveLength(2)
  isAway = true
  await vi.advanceTimersByTimeAsync(5_000)
  expect(failures).toHaveLength(2)
})

test('P32: the same query renews the row of this node and reads the others’, also without a room; for longer than to the next', async () => {
  aliveUntil.set('b', 1_000_000)
  await vi.advanceTimersByTimeAsync(5_000)
  open = []
  await vi.advanceTimersByTimeAsync(5_000)
  expect(asked).toEqual([[1, 2], []])
  expect(rowsDone).toEqual([
    'a renews for 8000',
    'read 1, next in 5000',
    'a renews for 8000',
    'read 1, next in 5000',
  ])
  rowsDone.length = 0
  isAway = true
  bus.becomes(false)
  await vi.advanceTimersByTimeAsync(0)
  expect(rowsDone).toEqual(['a renews for 3500', 'not read'])
})

test('a node that is alone has no row, and asks nothing without a room', async () => {
  bus.isAlone = true
  await vi.advanceTimersByTimeAsync(5_000)
  open = []
  await vi.advanceTimersByTimeAsync(5_000)
  await sweep.dispose()
  expect([asked, rowsDone]).toEqual([[[1, 2]], []])
})

test('rows of nodes that have been dead for 10 minutes are removed', async () => {
  aliveUntil.set('b', 1_000_000 - 600_000)
  await vi.advanceTimersByTimeAsync(5_000)
  expect(rowsDone).toHaveLength(2)
  aliveUntil.set('b', 1_000_000 - 600_001)
  await vi.advanceTimersByTimeAsync(5_000)
  expect(rowsDone.slice(4)).toEqual(['dead for 600000 removed'])
})

test('a node that stops removes its row, once what is under way is done', async () => {
  await vi.advanceTimersByTimeAsync(4_999)
  vi.advanceTimersByTime(1)
  expect(rowsDone).toEqual(['a renews for 8000'])
  await sweep.dispose()
  expect(rowsDone.slice(1)).toEqual(['read 0, next in 5000', 'a removed'])
})

test('after dispose nothing is asked', async () => {
  await sweep.dispose()
  bus.becomes(false)
  await vi.advanceTimersByTimeAsync(20_000)
  expect(asked).toEqual([])
})
