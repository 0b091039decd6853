import { describe, expect, test } from 'vitest'
import { Histogram } from './histogram.js'
import { parseMetrics } from './metrics.js'
import { cpuBetween } from './proc.js'
import { percentile, statistic } from './statistics.js'

describe('Histogram', () => {
  test('percentiles are off by less than 1.6 %', () => {
    const histogram = new Histogram()
    const values = Array.from({ length: 10_000 }, (_, i) => 0.01 * 1.0015 ** i)
    for (const value of values) histogram.add(value)
    for (const q of [0.01, 0.5, 0.9, 0.99, 0.999, 1]) {
      const exact = percentile(values, q)
      expect(Math.abs(histogram.percentile(q) - exact)).toBeLessThanOrEqual(exact * 0.016 + 0.001)
    }
    expect(histogram.count).toBe(10_000)
  })

  test('nothing, zero, a clock that went back, and the very long', () => {
    const histogram = new Histogram()
    expect(histogram.percentile(0.99)).toBe(0)
    histogram.add(0)
    histogram.add(-1)
    expect(histogram.percentile(1)).toBe(0)
    histogram.add(1e9)
    expect(histogram.percentile(1)).toBeLessThanOrEqual(1e9)
    histogram.reset()
    expect(histogram.count).toBe(0)
  })

  test('many at once count as many', () => {
    const histogram = new Histogram()
    histogram.add(1, 99)
    histogram.add(50, 1)
    expect(histogram.percentile(0.99)).toBeLessThan(1.1)
    expect(histogram.percentile(1)).toBe(50)
  })
})

test('percentile takes the nearest rank', () => {
  expect(percentile([3, 1, 2], 0.5)).toBe(2)
  expect(percentile([3, 1, 2], 0)).toBe(1)
  expect(percentile([3, 1, 2], 1)).toBe(3)
  expect(percentile([], 0.5)).toBe(0)
})

test('statistic', () => {
  expect(statistic([5, 1, 3])).toEqual({ median: 3, min: 1, max: 5, samples: [5, 1, 3] })
  expect(statistic([4, 2]).median).toBe(3)
  expect(() => statistic([])).toThrow(RangeError)
})

test('CPU time: the fine count, unless threads have ended', () => {
  const at = (statMs: number, schedMs: number) => ({ statMs, schedMs })
  expect(cpuBetween(at(100, 101), at(200, 203.5))).toBe(102.5)
  expect(cpuBetween(at(100, 101), at(500, 203))).toBe(400)
  expect(cpuBetween(at(100, NaN), at(500, NaN))).toBe(400)
})

test('parseMetrics', () => {
  const samples = parseMetrics('# HELP a b\na 1\nb{x="1"} 2.5e-3 17\n\nc_total 0\n')
  expect([...samples]).toEqual([
    ['a', 1],
    ['b{x="1"}', 0.0025],
    ['c_total', 0],
  ])
})
