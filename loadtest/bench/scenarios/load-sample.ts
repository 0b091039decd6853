import type { Bench } from '../bench.js'
import type { Fleet, LoadResult } from '../load/fleet.js'
import { findMost } from '../load/search.js'
import { type Cost, measure } from '../measure/window.js'
import { type Column, type Row, type Sample, rowOf } from '../report/result.js'
import { isPeer } from '../servers/peers.js'
import type { Target } from '../servers/target.js'
import type { Measured } from './scenario.js'

/** The columns of {@link loadSample}. */
export const loadColumns: readonly Column[] = [
  { key: 'updates', label: 'updates/s', digits: 0 },
  { key: 'deliveries', label: 'deliveries/s', digits: 0 },
  { key: 'durable', label: 'durable/s', digits: 0 },
  { key: 'p50', label: 'p50 ms', digits: 1 },
  { key: 'p99', label: 'p99 ms', digits: 1 },
  { key: 'ackP50', label: 'ack p50 ms', digits: 1 },
  { key: 'ackP99', label: 'ack p99 ms', digits: 1 },
  { key: 'cpuPerDelivery', label: 'CPU µs/delivery', digits: 2 },
  { key: 'cpuPerUpdate', label: 'CPU µs/update', digits: 1 },
  { key: 'ratio', label: 'ratio to bare', digits: 2 },
  { key: 'databaseCpuPerUpdate', label: 'PostgreSQL µs/update', digits: 1 },
  { key: 'perFrame', label: 'updates/frame', digits: 1 },
  { key: 'rss', label: 'RSS MB', digits: 0 },
  { key: 'generator', label: 'generator %', digits: 0 },
  { key: 'others', label: 'others %', digits: 0 },
  { key: 'lost', label: 'lost', digits: 0 },
]

/** What one stretch of typing comes to. */
export const loadSample = (result: LoadResult, cost: Cost, per: 'delivery' | 'update'): Sample => ({
  updates: result.sentRate,
  deliveries: result.delivered / result.seconds,
  // Over the whole time that it took until the last one was acknowledged.
  durable: result.acked > 0 ? result.acked / result.seconds : null,
  p50: result.p50,
  p99: result.p99,
  ackP50: result.acked > 0 ? result.ackP50 : null,
  ackP99: result.acked > 0 ? result.ackP99 : null,
  cpuPerDelivery: per === 'delivery' ? (cost.serverCpuMs * 1000) / result.delivered : null,
  cpuPerUpdate: per === 'update' ? (cost.serverCpuMs * 1000) / result.sent : null,
  databaseCpuPerUpdate: cost.databaseCpuMs > 0 ? (cost.databaseCpuMs * 1000) / result.sent : null,
  perFrame: result.delivered / result.frames,
  rss: cost.rss / 1e6,
  generator: cost.generatorShare * 100,
  others: cost.othersShare * 100,
  lost: result.lost,
})

/** Types at a rate and measures it, after a moment to warm up. */
export const measureLoad = async (
  fleet: Fleet,
  target: Target | readonly Target[],
  rate: number,
  seconds: number,
  per: 'delivery' | 'update',
): Promise<Measured & { result: LoadResult }> => {
  await fleet.load(rate, 0.3)
  const { result, cost } = await measure(target, () => fleet.load(rate, seconds))
  return { sample: loadSample(result, cost, per), complaints: fleet.tally.complaints, result }
}

/** A journal that falls behind by more than this is not keeping up: the rate is not sustained. */
const ackLimitMs = 1000

/**
 * A rate is sustained when it could be sent, nothing is lost, and 99 % arrives (and is durable) in time.
 * @returns why it was not, or null
 */
export const shortfall = (result: LoadResult, rate: number, p99LimitMs: number): string | null => {
  if (result.lost > 0) return `${result.lost} lost`
  if (result.nacked > 0) return `${result.nacked} refused`
  if (result.acked > 0 && result.acked < result.sent) return `${result.sent - result.acked} not acknowledged`
  if (result.ackP99 >= ackLimitMs) return `ack p99 ${Math.round(result.ackP99)} ms`
  if (result.p99 >= p99LimitMs) return `p99 ${Math.round(result.p99)} ms`
  if (result.sentRate < rate * 0.97)
    return `only ${Math.round(result.sentRate)} of ${Math.round(rate)} updates/s sent`
  return null
}

/**
 * Searches for the most that a fleet's server sustains, and closes the fleet. What a server of others cannot take ends its
 * search.
 * @param searched goes by steps of `updatesPerStep` updates/s (deliveries, where one update leads to many)
 */
export const most = async (
  bench: Bench,
  fleet: Fleet,
  target: Target,
  searched: {
    readonly point: string
    readonly from: number
    readonly to: number
    readonly updatesPerStep: number
    readonly seconds: number
    readonly per: 'delivery' | 'update'
    readonly p99LimitMs: number
  },
): Promise<Row> => {
  let current = fleet
  const complaints: string[] = []
  /** What was sustained, each higher than the one before. */
  const sustained: Sample[] = []
  try {
    // Coarser for others, whose searches would make the run too long.
    const halvings = bench.quick ? 0 : isPeer(target.name) ? 1 : 2
    await findMost(searched.from, searched.to, halvings, async (step) => {
      if (current.isBroken) current = await current.renew()
      const rate = step * searched.updatesPerStep
      const { sample, result } = await measureLoad(current, target, rate, searched.seconds, searched.per)
      complaints.push(...current.tally.complaints)
      const short = shortfall(result, rate, searched.p99LimitMs)
      const shares = `generator ${Math.round(sample['generator'] ?? 0)} %, others ${Math.round(sample['others'] ?? 0)} %`
      bench.log(
        `${searched.point}, ${target.name}, ${Math.round(rate)} updates/s: ${short ?? 'held'} (${shares})`,
      )
      const hopeless =
        short !== null && (bench.quick || result.lost > 0 || result.p99 > 3 * searched.p99LimitMs)
      if (short === null) sustained.push(sample)
      return { held: short === null, hopeless, value: sample }
    })
  } catch (error) {
    if (!isPeer(target.name)) throw error
    complaints.push(`the search ended: ${error instanceof Error ? error.message : String(error)}`)
  } finally {
    current.close()
  }
  return rowOf(searched.point, target.name, sustained.slice(-1), complaints)
}
