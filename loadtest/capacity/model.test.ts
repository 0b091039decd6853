import { expect, test } from 'vitest'
import { carried, error, lineThrough, predict, split, type UnitCosts } from './model.js'

const costs: UnitCosts = {
  node: 5_000,
  update: 30,
  delivery: 10,
  join: 500,
  relay: 20,
  databaseNode: 20_000,
  databaseUpdate: 15,
  redisNode: 1_000,
  redisUpdate: 8,
  processBytes: 100e6,
  commits: 100,
  connectionBytes: 5_000,
  roomBytes: 10_000,
  deliveryBytes: 50,
}

test('one node: updates, deliveries, connections and rooms add up', () => {
  const load = { rooms: 1_000, membersPerRoom: 3, updatesPerSecond: 1_000, nodes: 1 }
  const { nodeCpu, databaseCpu, redisCpu, memory, egress } = predict(costs, load)
  expect(nodeCpu).toBeCloseTo((5_000 + 30_000 + 20_000) / 1e6)
  expect(databaseCpu).toBeCloseTo((20_000 + 15_000) / 1e6)
  expect(redisCpu).toBe(0)
  expect(memory).toBe(100e6 + 3_000 * 5_000 + 1_000 * 10_000)
  expect(egress).toBe(100_000)
})

test('several nodes: an update goes once to each other node that has members of the room', () => {
  const load = { rooms: 10, membersPerRoom: 4, updatesPerSecond: 100, nodes: 2 }
  const one = predict(costs, { ...load, nodes: 1 })
  expect(predict(costs, load).nodeCpu - one.nodeCpu).toBeCloseTo((5_000 + 100 * 20) / 1e6)
  expect(predict(costs, load).redisCpu).toBeCloseTo((2 * 1_000 + 100 * 8) / 1e6)
  expect(predict(costs, load).databaseCpu - one.databaseCpu).toBeCloseTo(20_000 / 1e6)
  // More nodes than members do not hear more.
  expect(predict(costs, { ...load, nodes: 50 }).redisCpu).toBeCloseTo((50 * 1_000 + 3 * 100 * 8) / 1e6)
})

test('unit costs are told apart by two rates, and by two sizes of rooms', () => {
  expect(lineThrough([100, 7], [300, 13])).toEqual({ base: 4, slope: 0.03 })
  expect(() => lineThrough([100, 7], [100, 8])).toThrow(RangeError)
  expect(split(40, 2, 220, 20)).toEqual({ update: 30, delivery: 10 })
  expect(error(110, 100)).toBeCloseTo(0.1)
})

test('what nodes carry: their budget divided by what a person costs; cells hear nothing of each other', () => {
  const habit = { membersPerRoom: 4, updatesPerSecond: 0.5 }
  const one = carried(costs, habit, 1, 1, 0.605)
  // 600 ms a second, of which a person takes 0.5 x (30 + 3 x 10) microseconds.
  expect(one).toMatchObject({ people: 20_000, updatesPerSecond: 10_000, redisCpu: 0, notices: 0 })
  const whole = carried(costs, habit, 100, 1, 0.605)
  const divided = carried(costs, habit, 100, 10, 0.605)
  expect(whole.people).toBe(1_500_000)
  expect([whole.notices, divided.notices]).toEqual([100 * 99 * 100, 10 * 10 * 9 * 100])
  expect(divided.databaseCpu).toBeCloseTo(whole.databaseCpu)
  expect(() => carried(costs, habit, 1, 1, 0.001)).toThrow(RangeError)
})
