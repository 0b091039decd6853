import { expect, test, vi } from 'vitest'
import { inspectUpdate } from '../crdt/index.js'
import { Nothings, type Looked } from './nothings.js'

const update = (fill: number, bytes = 600): Uint8Array => new Uint8Array(bytes).fill(fill)

/** Each has its turn at once. */
const loop = { inTurn: <T>(what: () => T): Promise<T> => Promise.resolve(what()) }

/** Whether the same bytes need not be looked into. */
const isKnown = async (nothings: Nothings, of: Uint8Array): Promise<boolean> => {
  let looked = false
  await nothings.find(of, loop, () => {
    looked = true
    return Promise.resolve(something(of))
  })
  return !looked
}

const empty = inspectUpdate(new Uint8Array([0, 0]))
const nothing = (of: Uint8Array): Looked => ({ update: of, inspection: empty, nothing: true })
const something = (of: Uint8Array): Looked => ({ update: of, inspection: empty, nothing: false })

/** Looks that end when the test says so. */
const looks = () => {
  const waiting: { resolve: (looked: Looked) => void; reject: (error: Error) => void }[] = []
  let count = 0
  return {
    look: () =>
      new Promise<Looked>((resolve, reject) => {
        count++
        waiting.push({ resolve, reject })
      }),
    async next() {
      await vi.waitFor(() => expect(waiting.length).toBeGreaterThan(0))
      return waiting.shift()!
    },
    get count() {
      return count
    },
  }
}

test.each([2, 100, 36_000, 400_000])(
  'P40: of 500 that bring the same %d bytes one is looked into, and all get its answer',
  async (bytes) => {
    const nothings = new Nothings()
    const { look, next } = looks()
    const found = Array.from({ length: 500 }, () => nothings.find(update(1, bytes), loop, look))
    const answer = nothing(update(1, bytes))
    ;(await next()).resolve(answer)
    expect(await Promise.all(found)).toEqual(found.map(() => answer))
    // Who comes later need not have it looked into: it is compared, or hashed where it is large.
    const hash = vi.spyOn(loop, 'inTurn')
    expect(await isKnown(nothings, update(1, bytes))).toBe(true)
    expect(hash).toHaveBeenCalledTimes(bytes > 256 * 1024 ? 1 : 0)
    hash.mockRestore()
    expect(await isKnown(nothings, update(2, bytes))).toBe(false)
  },
)

test('P40: what adds something is looked into once for all who bring it at once, and again for who comes later', async () => {
  const nothings = new Nothings()
  const all = looks()
  const found = Array.from({ length: 5 }, () => nothings.find(update(1), loop, all.look))
  ;(await all.next()).resolve(something(update(1)))
  expect(await Promise.all(found)).toEqual(found.map(() => something(update(1))))
  expect(all.count).toBe(1)
  const later = nothings.find(update(1), loop, all.look)
  ;(await all.next()).resolve(nothing(update(1)))
  expect((await later).nothing).toBe(true)
})

test('I7: a look that fails is told to who looked; one of those who wait looks next, not all at once', async () => {
  const nothings = new Nothings()
  const all = looks()
  const found = Array.from({ length: 5 }, () => nothings.find(update(1), loop, all.look))
  const outcomes = Promise.allSettled(found)
  ;(await all.next()).reject(new Error('the worker died'))
  ;(await all.next()).resolve(nothing(update(1)))
  expect((await outcomes).map(({ status }) => status)).toEqual([
    'rejected',
    ...Array.from({ length: 4 }, () => 'fulfilled'),
  ])
  expect(all.count).toBe(2)
})

test('P40: different updates, also of one size, have answers of their own', async () => {
  const nothings = new Nothings()
  const given = Array.from({ length: 40 }, (_, i) => {
    const one = update(7, 5_000)
    // Alike: what differs is not among the bytes that are looked at first.
    one[4_999 - i] = i
    return one
  })
  const found = await Promise.all(
    given.map((one, i) =>
      nothings.find(one, loop, () => Promise.resolve(i % 2 === 0 ? nothing(one) : something(one))),
    ),
  )
  expect(found.map((looked) => looked.nothing)).toEqual(given.map((_, i) => i % 2 === 0))
  const known = await Promise.all(given.map((one) => isKnown(nothings, one)))
  expect(known).toEqual(given.map((_, i) => i % 2 === 0))
})

test('I6: the updates themselves are kept for ten seconds, and few; a large one puts none of them out', async () => {
  vi.useFakeTimers()
  try {
    const nothings = new Nothings()
    const hash = vi.spyOn(loop, 'inTurn')
    /** Whether it is compared: what is not is hashed. */
    const isKept = async (of: Uint8Array): Promise<boolean> => {
      hash.mockClear()
      expect(await isKnown(nothings, of)).toBe(true)
      return hash.mock.calls.length === 0
    }
    for (let i = 0; i < 20; i++)
      await nothings.find(update(i), loop, () => Promise.resolve(nothing(update(i))))
    const large = update(99, 300 * 1024)
    await nothings.find(large, loop, () => Promise.resolve(nothing(large)))
    // The newest first: what was hashed is kept again.
    const kept: boolean[] = []
    for (let i = 19; i >= 11; i--) kept.unshift(await isKept(update(i)))
    expect(kept).toEqual(Array.from({ length: 9 }, (_, i) => i > 0))
    expect(await isKept(large)).toBe(false)
    expect(vi.getTimerCount()).toBe(1)
    vi.advanceTimersByTime(10_000)
    expect(vi.getTimerCount()).toBe(0)
    // Found again by their hashes, these and the oldest.
    expect([await isKept(update(19)), await isKept(update(0)), await isKept(large)]).toEqual([
      false,
      false,
      false,
    ])
  } finally {
    vi.restoreAllMocks()
    vi.useRealTimers()
  }
})
