import type { Cluster } from '../bench.js'
import { scrape } from './metrics.js'

/** Sums over all nodes of a cluster, and what its Redis counted. */
export interface Counts {
  /** Updates accepted from clients. */
  readonly updates: number
  /** Messages to the other nodes that carry updates, */
  readonly relays: number
  /** and those that tell of a commit. */
  readonly notices: number
  /** PUBLISH commands that reached Redis: with heartbeats and probes. */
  readonly publishes: number
  readonly redisCpuMs: number
  /** Events that were read from the log because no message told of them in time. */
  readonly repairs: number
  readonly sweeps: number
  readonly sweepMs: number
}

interface Reading {
  readonly at: number
  readonly nodes: number
  readonly metrics: (name: string) => number
  readonly publishes: number
  readonly redisCpuMs: number
  /** What has been counted since an earlier reading. */
  since(earlier: Reading): Counts
}

/** Every node sends one each second. */
const heartbeatsPerSecond = 1

/** Reads the counters of both nodes and of Redis. */
export const countsOf = async ({ nodes, redis }: Cluster): Promise<Reading> => {
  const samples = await Promise.all(nodes.map(({ weft }) => scrape(weft.port)))
  const { publishes, cpuMs } = await redis.work()
  const reading: Reading = {
    at: performance.now(),
    nodes: nodes.length,
    metrics: (name) => samples.reduce((sum, sample) => sum + (sample.get(name) ?? NaN), 0),
    publishes,
    redisCpuMs: cpuMs,
    since: (earlier) => between(earlier, reading),
  }
  return reading
}

const between = (earlier: Reading, later: Reading): Counts => {
  const spent = (name: string): number => later.metrics(name) - earlier.metrics(name)
  // `weft_relays_total` counts what a node hands to its clients: each relay where it began and once at every other node (all
  // rooms are open on all of them; where a room is so busy that relays are gathered the two may differ, and this is their mean),
  // and what was read from the log.
  const repairs = spent('weft_log_repairs_total')
  const relays = (spent('weft_relays_total') - repairs) / later.nodes
  const heartbeats = ((later.at - earlier.at) / 1000) * heartbeatsPerSecond * later.nodes
  return {
    updates: spent('weft_updates_received_total'),
    relays,
    // Nothing else is said: nobody shows presence, and nobody opens a room meanwhile.
    notices: Math.max(0, spent('weft_bus_published_total') - relays - heartbeats),
    publishes: later.publishes - earlier.publishes,
    redisCpuMs: later.redisCpuMs - earlier.redisCpuMs,
    repairs,
    sweeps: spent('weft_sweep_seconds_count'),
    sweepMs: spent('weft_sweep_seconds_sum') * 1000,
  }
}
