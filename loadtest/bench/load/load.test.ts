import { describe, expect, test } from 'vitest'
import { Coverage } from './coverage.js'
import { Receiver } from './receiver.js'
import { findMost } from './search.js'
import { Tally } from './tally.js'
import { Typist } from './typist.js'

describe('Coverage', () => {
  const collect = (coverage: Coverage, ...ranges: [number, number][]): number[] => {
    const fresh: number[] = []
    for (const [from, to] of ranges) {
      coverage.add(from, to, (start, end) => {
        for (let clock = start; clock < end; clock++) fresh.push(clock)
      })
    }
    return fresh
  }

  test('in order', () => {
    const coverage = new Coverage(5)
    expect(collect(coverage, [5, 6], [6, 9])).toEqual([5, 6, 7, 8])
    expect(coverage).toMatchObject({ next: 9, duplicates: 0 })
  })

  test('what comes again counts once', () => {
    const coverage = new Coverage()
    expect(collect(coverage, [0, 4], [2, 6], [0, 6])).toEqual([0, 1, 2, 3, 4, 5])
    expect(coverage).toMatchObject({ next: 6, duplicates: 8 })
  })

  test('what comes early waits for the gap to close', () => {
    const coverage = new Coverage()
    expect(collect(coverage, [4, 6], [8, 9], [5, 10])).toEqual([4, 5, 8, 6, 7, 9])
    expect(coverage).toMatchObject({ next: 0, duplicates: 2 })
    expect(collect(coverage, [0, 4], [10, 11])).toEqual([0, 1, 2, 3, 10])
    expect(coverage.next).toBe(11)
  })

  test('any order of any overlapping ranges: every clock is fresh once', () => {
    for (let seed = 1; seed < 200; seed++) {
      let state = seed
      const random = (below: number): number => (state = (state * 48_271) % 0x7fff_ffff) % below
      const coverage = new Coverage()
      const fresh: number[] = []
      for (let i = 0; i < 60; i++) {
        const from = random(100)
        const to = Math.min(100, from + 1 + random(8))
        fresh.push(...collect(coverage, [from, to]))
      }
      fresh.push(...collect(coverage, [0, 100]))
      expect(fresh.sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i))
      expect(coverage.next).toBe(100)
    }
  })
})

describe('Receiver', () => {
  test('what comes from another node is timed apart, and counted together', () => {
    const tally = new Tally()
    const receiver = new Receiver(tally)
    const [near, far] = [new Typist(1, 16), new Typist(2, 16)]
    receiver.expect(near, false)
    receiver.expect(far, true)
    receiver.range(near.client, near.press(0), 1)
    for (let i = 0; i < 2; i++) receiver.range(far.client, far.press(0), 1)
    expect(tally.delivered).toBe(3)
    expect([tally.latency.count, tally.crossLatency.count]).toEqual([1, 2])
  })
})

describe('findMost', () => {
  const limited = (most: number) => {
    const tried: number[] = []
    return {
      tried,
      attempt: (rate: number) => {
        tried.push(rate)
        return Promise.resolve({ held: rate <= most, value: `at ${rate}` })
      },
    }
  }

  test('doubles, then halves the interval', async () => {
    const { attempt, tried } = limited(700)
    expect(await findMost(100, 10_000, 3, attempt)).toEqual({ rate: 700, value: 'at 700' })
    expect(tried).toEqual([100, 200, 400, 800, 800, 600, 700, 750, 750])
  })

  test('stops at the limit, and says when nothing held', async () => {
    expect(await findMost(100, 300, 3, limited(1e9).attempt)).toEqual({ rate: 300, value: 'at 300' })
    expect(await findMost(100, 300, 3, limited(50).attempt)).toBeNull()
  })

  test('one failure is not a limit', async () => {
    let calls = 0
    const flaky = (rate: number) => Promise.resolve({ held: rate <= 200 && calls++ !== 0, value: rate })
    expect(await findMost(100, 200, 1, flaky)).toEqual({ rate: 200, value: 200 })
  })

  test('a clear failure is not tried again', async () => {
    const tried: number[] = []
    const clear = (rate: number) => {
      tried.push(rate)
      return Promise.resolve({ held: rate < 200, hopeless: rate >= 200, value: rate })
    }
    expect(await findMost(100, 800, 1, clear)).toEqual({ rate: 150, value: 150 })
    expect(tried).toEqual([100, 200, 150])
  })
})
