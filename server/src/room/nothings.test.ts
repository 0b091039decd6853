import { expect, test, vi } from 'vitest'
import { Nothings } from './nothings.js'

const update = (fill: number, bytes = 600): Uint8Array => new Uint8Array(bytes).fill(fill)

/** Looks that are answered when the test says so. */
const looks = () => {
  const waiting: ((nothing: boolean) => void)[] = []
  return {
    look: () =>
      new Promise<{ nothing: boolean }>((resolve) => waiting.push((nothing) => resolve({ nothing }))),
    answer: (nothing: boolean) => waiting.shift()?.(nothing),
    get count() {
      return waiting.length
    },
  }
}

test('P40: one of many that bring the same bytes is looked at, from the call on, and all get its answer', async () => {
  const nothings = new Nothings()
  const { look, answer } = looks()
  const first = nothings.find(update(1), look)
  const others = Array.from({ length: 500 }, async () => await nothings.same(update(1)))
  expect(nothings.same(update(2))).toBe(undefined)
  answer(true)
  await expect(first).resolves.toEqual({ nothing: true })
  expect(await Promise.all(others)).toEqual(others.map(() => true))
  expect([nothings.has(update(1)), nothings.has(update(2))]).toEqual([true, false])
})

test('P40: what adds something may add nothing the next time, and is looked at again', async () => {
  const nothings = new Nothings()
  const { look, answer } = looks()
  const first = nothings.find(update(1), look)
  const other = nothings.same(update(1))
  answer(false)
  expect(await first).toEqual({ nothing: false })
  expect(await other).toBe(false)
  expect([nothings.same(update(1)), nothings.has(update(1))]).toEqual([undefined, false])
})

test('I7: a look that fails is told to who asked; the others look for themselves', async () => {
  const nothings = new Nothings()
  const failed = nothings.find(update(1), () => Promise.reject(new Error('the worker died')))
  const other = nothings.same(update(1))
  await expect(failed).rejects.toThrow('the worker died')
  expect(await other).toBe(false)
  expect(nothings.same(update(1))).toBe(undefined)
})

test('I6: the updates themselves are kept for ten seconds, and few; their hashes for longer', async () => {
  vi.useFakeTimers()
  try {
    const nothings = new Nothings()
    const found = async (bytes: Uint8Array): Promise<void> => {
      await nothings.find(bytes, () => Promise.resolve({ nothing: true }))
    }
    for (let i = 0; i < 20; i++) await found(update(i))
    const kept = Array.from({ length: 20 }, (_, i) => nothings.same(update(i)) !== undefined)
    expect(kept.filter(Boolean)).toHaveLength(8)
    expect(kept[19]).toBe(true)
    await found(update(99, 300 * 1024))
    expect(nothings.same(update(99, 300 * 1024))).toBe(undefined)
    vi.advanceTimersByTime(10_000)
    expect(nothings.same(update(19))).toBe(undefined)
    expect([nothings.has(update(0)), nothings.has(update(99, 300 * 1024))]).toEqual([true, true])
  } finally {
    vi.useRealTimers()
  }
})

test('small updates are looked at each time: that is faster than to remember them', async () => {
  const nothings = new Nothings()
  await nothings.find(update(1, 20), () => Promise.resolve({ nothing: true }))
  expect([nothings.same(update(1, 20)), nothings.has(update(1, 20))]).toEqual([undefined, false])
})
