import { beforeEach, describe, expect, test } from 'vitest'
import { leaseOf, NodeRows, type NodeVerdict } from './node-rows.js'

const sweepMs = 5_000
const awayMs = 500
const grace = leaseOf(sweepMs)

let rows: NodeRows
let now: number

/** Reads the rows after so many milliseconds: each of a node and for how long it is alive from then. */
const read = (after: number, aliveFor: Record<string, number>, interval = awayMs): NodeVerdict => {
  now += after
  const aliveUntil = new Map(Object.entries(aliveFor).map(([node, ms]) => [node, now + ms]))
  return rows.read({ heads: new Map(), now, aliveUntil }, ['b', 'c'], interval)
}

/** Reads until the grace is over. */
const settle = (): void => {
  for (let ms = 0; ms <= grace; ms += awayMs) read(awayMs, { b: 3_000, c: 3_000 })
}

beforeEach(() => {
  rows = new NodeRows(sweepMs)
  now = 1_000_000
})

describe('P32: what the nodes’ rows tell', () => {
  test('a lease outlasts the next sweep by 3 s', () => {
    expect([leaseOf(awayMs), leaseOf(sweepMs)]).toEqual([3_500, 8_000])
  })

  test('who has not renewed its row is dead, from the millisecond after it ran out', () => {
    settle()
    expect(read(awayMs, { b: 0, c: 3_000 })).toEqual({ dead: [], left: [] })
    expect(read(awayMs, { b: -1, c: 3_000 })).toEqual({ dead: ['b'], left: [] })
  })

  test('nobody is dead before the rows were read for as long as the longest lease', () => {
    for (let ms = 0; ms <= grace; ms += awayMs) expect(read(awayMs, { b: -1, c: -1 }).dead).toEqual([])
    expect(read(awayMs, { b: -1, c: 3_000 }).dead).toEqual(['b'])
  })

  test.each([
    ['a reading that comes late: the database was away, or this node was frozen', awayMs + 1_001],
    ['a clock that was set forward', 3_600_000],
    ['a clock that was set back', -60_000],
  ])('%s gives everybody as long again', (_what, after) => {
    settle()
    expect(read(after, { b: -1, c: -1 }).dead).toEqual([])
    for (let ms = awayMs; ms <= grace; ms += awayMs) expect(read(awayMs, { b: -1, c: -1 }).dead).toEqual([])
    expect(read(awayMs, { b: -1, c: 3_000 }).dead).toEqual(['b'])
  })

  test('a failed reading gives everybody as long again, however soon the next one comes', () => {
    settle()
    rows.failed()
    expect(read(awayMs, { b: -1, c: -1 }).dead).toEqual([])
  })

  test('readings at the pace of a healthy bus are without a gap, and tell at once when it breaks', () => {
    for (let i = 0; i < 4; i++) read(sweepMs, { b: 4_000, c: 4_000 }, sweepMs)
    expect(read(100, { b: -1, c: 4_000 }).dead).toEqual(['b'])
  })

  test('a node whose Redis works renews at its pace, and is not dead for one whose Redis is away', () => {
    settle()
    for (let ms = 0; ms < 60_000; ms += awayMs) {
      const aliveFor = leaseOf(sweepMs) - (ms % sweepMs)
      expect(read(awayMs, { b: aliveFor, c: aliveFor }).dead).toEqual([])
    }
  })

  test('a row that was there and is not any more: its node stopped, until it has one again', () => {
    read(awayMs, { b: 3_000, c: 3_000 })
    expect(read(awayMs, { c: 3_000 }).left).toEqual(['b'])
    expect(read(awayMs, { c: 3_000 }).left).toEqual(['b'])
    expect(read(awayMs, { b: 3_000, c: 3_000 }).left).toEqual([])
  })

  test('a node without a row, of an older release, is neither dead nor gone', () => {
    settle()
    rows = new NodeRows(sweepMs)
    for (let ms = 0; ms <= 2 * grace; ms += awayMs)
      expect(read(awayMs, { c: 3_000 })).toEqual({ dead: [], left: [] })
  })
})
