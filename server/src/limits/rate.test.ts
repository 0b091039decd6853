import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MessageRate, rateLimits, type Pace } from './rate.js'

const limits = rateLimits(10, 1_000, 100)
/** So many messages of so many bytes at once. */
const burst = (rate: MessageRate, now: number, count: number, bytes: number): Pace[] =>
  Array.from({ length: count }, () => rate.take(limits, now, bytes))

describe('the rate of a connection (P75)', () => {
  test.each([
    ['frames', 100, 0],
    ['bytes', 100, 100],
  ])('%s: ten seconds of the average may come at once, with one warning half way', (_, count, bytes) => {
    const rate = new MessageRate()
    const paces = burst(rate, 5, count, bytes)
    expect(paces.filter((pace) => pace === 'warn')).toHaveLength(1)
    expect(paces.indexOf('warn')).toBe(50)
    expect(paces).not.toContain('over')
    expect(rate.take(limits, 5, bytes)).toBe('over')
  })

  test('silence makes room again, and the next warning comes anew', () => {
    const rate = new MessageRate()
    expect(burst(rate, 0, 60, 0)).toContain('warn')
    expect(rate.restMs(limits)).toBe(1_000)
    expect(burst(rate, 1_100, 10, 0)).toContain('warn')
    expect(burst(rate, 1e6, 100, 0).filter((pace) => pace === 'warn')).toHaveLength(1)
  })

  test('two frames of full size may always come at once', () => {
    const small = rateLimits(0, 1_000, 1e6)
    const rate = new MessageRate()
    expect([1, 2].map(() => rate.take(small, 0, 1e6))).not.toContain('over')
    expect(rate.take(small, 0, 1e6)).toBe('over')
  })

  test('0 is no limit', () => {
    const none = rateLimits(0, 0, 100)
    const rate = new MessageRate()
    for (let i = 0; i < 1_000; i++) expect(rate.take(none, 0, 1e9)).toBe('fine')
  })

  test('the clock may wrap, and stand still', () => {
    const rate = new MessageRate()
    burst(rate, 2 ** 31 - 2, 60, 0)
    expect(rate.take(limits, 2 ** 31 + 10_000, 0)).toBe('fine')
    expect(rate.restMs(limits)).toBe(0)
    expect(rate.take(limits, 2 ** 32 + 2 ** 31, 0)).toBe('fine')
  })

  test('whatever the timing: never over within the average, over once past burst and average', () => {
    const gaps = fc.array(fc.record({ gap: fc.nat(400), bytes: fc.nat(400) }), {
      maxLength: 400,
      size: 'max',
    })
    fc.assert(
      fc.property(gaps, fc.integer(), (messages, start) => {
        const rate = new MessageRate()
        let now = start
        let [frames, sent] = [0, 0]
        for (const { gap, bytes } of messages) {
          now += gap
          // The model: unbounded numbers, leaking since the last message.
          frames = Math.max(0, frames - gap / 100) + 1
          sent = Math.max(0, sent - gap) + bytes
          const over = frames > 100 + 1e-6 || sent > 10_000
          if ((rate.take(limits, now, bytes) === 'over') !== over) return false
          if (over) return true
        }
        return true
      }),
    )
  })
})
