import { Histogram, Registry } from 'prom-client'
import { expect, it } from 'vitest'
import { FastHistogram } from './histogram.js'

it('writes what prom-client writes for the same observations', async () => {
  const bounds = [0.001, 0.01, 0.1, 1]
  const registry = new Registry()
  const reference = new Histogram({
    name: 'a_seconds',
    help: 'Some help',
    buckets: bounds,
    registers: [registry],
  })
  const histogram = new FastHistogram('a_seconds', 'Some help', bounds)
  for (const value of [0, 0.001, 0.0011, 0.05, 1, 1.5, 200]) {
    reference.observe(value)
    histogram.observe(value)
  }
  expect(histogram.render().trim()).toBe((await registry.metrics()).trim())
})
