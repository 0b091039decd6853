import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { maxWindowMs, RateEstimate, relayWindow } from './relay-window.js'

describe('relayWindow', () => {
  test.each([
    // A quiet room, a small room and a lonely typist wait for nothing.
    [1, 500, 0],
    [100, 2, 0],
    [2_000, 1, 0],
    // Past 2,000 deliveries a second it opens, and is full at 10,000.
    [100, 60, 8],
    [1_000, 6, 1.2],
    [200, 50, 16],
    // Few receivers: their frames cost little, and the wait would.
    [20_000, 1, 0.4],
    [1_000, 10, 4],
    [10_000, 40, 16],
    [100_000, 200, 16],
    // So many receivers and so few updates: waiting would only delay.
    [20, 500, 0],
    [0, 1_000, 0],
  ])('%i updates/s to %i receivers: %i ms', (rate, receivers, window) => {
    expect(relayWindow(rate, receivers)).toBeCloseTo(window, 6)
  })

  test('it stays between 0 and the maximum, and more load never makes it shorter', () => {
    fc.assert(
      fc.property(fc.nat(200_000), fc.nat(5_000), fc.nat(1_000), (rate, receivers, more) => {
        const window = relayWindow(rate, receivers)
        expect(window).toBeGreaterThanOrEqual(0)
        expect(window).toBeLessThanOrEqual(maxWindowMs)
        expect(relayWindow(rate + more, receivers)).toBeGreaterThanOrEqual(window)
      }),
    )
  })
})

describe('RateEstimate', () => {
  test('settles at the true rate, and forgets a burst within a second or two', () => {
    const rate = new RateEstimate()
    let now = 0
    for (; now < 3_000; now += 2) rate.add(now)
    expect(rate.at(now)).toBeGreaterThan(480)
    expect(rate.at(now)).toBeLessThan(520)
    expect(rate.at(now + 2_000)).toBeLessThan(1)
  })
})
