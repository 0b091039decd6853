import { expect, test } from 'vitest'
import { CommitPacing } from './pacing.js'

/** A pacing with a clock and a counter of its own. */
const make = (base: number) => {
  let now = 0
  let frames = 0
  const pacing = new CommitPacing(
    base,
    () => frames,
    () => now,
  )
  return {
    /** A second at a rate, asked every 10 ms as the journal asks. @returns the last answer */
    second(rate: number): number {
      let interval = pacing.interval()
      for (let step = 0; step < 100; step++) {
        now += 10
        frames += rate / 100
        interval = pacing.interval()
      }
      return interval
    },
    idle(seconds: number): void {
      now += seconds * 1000
    },
    interval: () => pacing.interval(),
  }
}

test('the interval is the setting on a quiet node, six times that on a busy one, and grows in between', () => {
  const pacing = make(8)
  expect(pacing.interval()).toBe(8)
  expect(pacing.second(4_000)).toBe(8)
  const some = pacing.second(8_000)
  expect(some).toBeCloseTo(28, 5)
  expect(pacing.second(12_000)).toBe(48)
  expect(pacing.second(1_000_000)).toBe(48)
})

test('a node that was busy before a quiet time is quiet', () => {
  const pacing = make(8)
  expect(pacing.second(100_000)).toBe(48)
  pacing.idle(60)
  expect(pacing.interval()).toBe(8)
})

test('an interval of 0 stays 0', () => {
  expect(make(0).second(100_000)).toBe(0)
})
