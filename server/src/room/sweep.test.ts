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
let sweep: Sweep
let broken: number

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  bus = new ScriptedBus()
  rows = new Map([[asRoomId(1), { headSeq: 7, epoch: 3 }]])
  asked = []
  failures = []
  told = []
  isAway = false
  broken = 0
  const room = (id: number): Room =>
    ({
      id: asRoomId(id),
      isEnded: false,
      swept: (row: Row | null) => {
        if (id === broken) throw new Error('broken')
        told.push(row)
      },
    }) as unknown as Room
  sweep = new Sweep({
    rooms: [room(1), room(2)],
    store: {
      heads: (ids) => {
        asked.push([...ids])
        return isAway ? Promise.reject(new Error('away')) : Promise.resolve(rows)
      },
    },
    bus,
    interval: 5_000,
    intervalAway: 500,
    afterOpening: 300,
    failed: (error) => failures.push(error),
    swept: () => undefined,
  })
})

afterEach(() => {
  sweep.dispose()
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

test('I7: a room that throws is reported, and does not hide the rooms after it', async () => {
  broken = 1
  await vi.advanceTimersByTimeAsync(5_000)
  expect(told).toEqual([null])
  expect(failures).toEqual([expect.objectContaining({ errors: [new Error('broken')] })])
  await vi.advanceTimersByTimeAsync(5_000)
  expect([told.length, failures.length]).toEqual([2, 1])
})

test('after dispose nothing is asked', async () => {
  sweep.dispose()
  bus.becomes(false)
  await vi.advanceTimersByTimeAsync(20_000)
  expect(asked).toEqual([])
})
