import { expect, test } from 'vitest'
import { LoopDelay, loopTickMs } from './loop-delay.js'

const after = (...lateness: number[]): boolean => {
  const delay = new LoopDelay(1_000)
  let now = 5
  delay.tick(now)
  for (const late of lateness) delay.tick((now += loopTickMs + late))
  return delay.isLate
}

test.each([
  ['in time', [0, 0, 0], false],
  ['one stall, however long', [60_000], false],
  ['a stall now and then', [5_000, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5_000], false],
  ['late again and again', [3_000, 3_000], true],
  ['late by less', Array.from({ length: 100 }, () => 900), false],
  ['late by little more', Array.from({ length: 100 }, () => 1_100), true],
  [
    'late, and then in time',
    [...Array.from({ length: 9 }, () => 3_000), ...Array<number>(20).fill(0)],
    false,
  ],
])('P77: %s', (_, lateness, expected) => expect(after(...lateness)).toBe(expected))
