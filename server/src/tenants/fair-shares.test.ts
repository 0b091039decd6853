import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FairShares, type Share } from './fair-shares.js'

/** Takes one after the other until nothing more fits. */
const fill = (share: Share): number => {
  while (share.fits(1)) share.add(1)
  return share.used
}

test.each([
  [1, 50],
  [2, 33],
  [3, 25],
  [9, 10],
])(
  'I6: %i tenants that each take what they can have about %i of 100, and something is left',
  (count, each) => {
    const shares = new FairShares(50)
    const limit = shares.limit(100)
    const all = Array.from({ length: count }, (_, i) => limit.share(`t${i}`))
    let more = true
    while (more) {
      more = false
      for (const share of all) {
        if (!share.fits(1)) continue
        share.add(1)
        more = true
      }
    }
    for (const { used } of all) expect(Math.abs(used - each)).toBeLessThanOrEqual(1)
    expect(limit.share('next').fits(1)).toBe(true)
  },
)

test('where tokens name no tenant, all of the limit is of the one there is; once another comes, it shares', () => {
  const shares = new FairShares(50)
  const limit = shares.limit(100)
  const only = limit.share('')
  expect(fill(only)).toBe(100)
  only.add(-60)
  shares.meet('a')
  expect([limit.share('a').fits(60), limit.share('a').fits(61), only.fits(10), only.fits(11)]).toEqual([
    true,
    false,
    true,
    false,
  ])
})

test('I6, property: whatever tenants take and give back, the limit holds, and one that has nothing finds room after any one other', () => {
  const step = fc.record({ tenant: fc.nat(4), amount: fc.integer({ min: -40, max: 60 }) })
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 99 }),
      fc.array(step, { maxLength: 60, size: 'max' }),
      (percent, steps) => {
        const limit = new FairShares(percent).limit(200)
        const all = Array.from({ length: 5 }, (_, i) => limit.share(`t${i}`))
        for (const { tenant, amount } of steps) {
          const share = all[tenant]
          if (share === undefined) throw new Error('no such tenant')
          if (amount < 0) share.add(-Math.min(share.used, -amount))
          else if (share.fits(amount)) {
            const had = share.used
            share.add(amount)
            // More than its first is within the share, whoever else is there.
            if (had > 0) expect(share.used * 100).toBeLessThanOrEqual(200 * percent)
          }
          expect(limit.used).toBe(all.reduce((sum, { used }) => sum + used, 0))
          expect(limit.used).toBeLessThanOrEqual(200)
        }
      },
    ),
  )
})
