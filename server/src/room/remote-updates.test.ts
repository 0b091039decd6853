import { expect, test } from 'vitest'
import type { Inspection } from '../crdt/index.js'
import { FairShares } from '../tenants/index.js'
import { RemoteUpdates, type RemoteUpdate } from './remote-updates.js'

const update = (place: number, bytes: number): RemoteUpdate => ({
  payload: new Uint8Array(bytes),
  inspection: {} as Inspection,
  sender: null,
  arrived: place,
  number: 0,
  seq: null,
  place,
})

test('I6: what all rooms of a node hold is bounded: the room that takes more in lets go of its oldest', () => {
  const memory = new FairShares(100).limit(10_000).share('')
  const [one, two] = [new RemoteUpdates(8_000, memory), new RemoteUpdates(8_000, memory)]
  for (let i = 1; i <= 3; i++) one.add('b', i, update(i, 1_500))
  expect(one.shed()).toEqual([])
  for (let i = 1; i <= 3; i++) two.add('b', i, update(i, 1_500))
  expect(two.shed().map(({ place }) => place)).toEqual([1, 2])
  expect([one.size, two.size]).toEqual([3, 1])
  expect([two.has('b', 1), two.has('b', 3)]).toEqual([true, true])
})

test('I6: what is committed, adopted, or of a room that closes makes room for others', () => {
  const memory = new FairShares(100).limit(5_000).share('')
  const [one, two] = [new RemoteUpdates(8_000, memory), new RemoteUpdates(8_000, memory)]
  one.add('b', 1, update(1, 1_500))
  one.add('b', 2, update(2, 1_500))
  one.add('b', 3, update(3, 1_500))
  expect(memory.fits(0)).toBe(false)
  one.committed('b', 1, 7)
  one.takeOlder(3)
  expect(memory.fits(0)).toBe(true)
  two.add('b', 1, update(1, 4_000))
  expect(memory.fits(0)).toBe(false)
  one.clear()
  expect([memory.fits(0), one.size]).toEqual([true, 0])
  expect(two.shed()).toEqual([])
})

test('I6: a room alone has its own limit', () => {
  const updates = new RemoteUpdates(3_000, new FairShares(100).limit(1e9).share(''))
  for (let i = 1; i <= 3; i++) updates.add('b', i, update(i, 1_000))
  expect(updates.shed().map(({ place }) => place)).toEqual([1, 2])
})
