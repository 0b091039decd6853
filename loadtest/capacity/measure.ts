import { setTimeout as sleep } from 'node:timers/promises'
import type { Bench, Cluster } from '../bench/bench.js'
import { Fleet, type FleetOptions, type Nodes } from '../bench/load/fleet.js'
import { countsOf } from '../bench/measure/cluster-counts.js'
import { scrape } from '../bench/measure/metrics.js'
import { residentBytes } from '../bench/measure/proc.js'
import { statistic } from '../bench/measure/statistics.js'
import { measure } from '../bench/measure/window.js'
import { quiet } from '../bench/scenarios/large-targets.js'
import type { Target } from '../bench/servers/target.js'
import { type Load, type Prediction, type UnitCosts, lineThrough, split } from './model.js'

/** What a load took, as {@link Prediction} says it; what was not measured is left out. */
export type Measurement = Partial<Prediction>

const repetitions = 3
/** Seconds of typing. */
const seconds = 4
const warmUpSeconds = 4
const settleMs = 2_000

const few = 2
const many = 20
/** Rates at which a server's code has been compiled for good, and updates of a room do not share frames. */
const rates = [4_000, 12_000] as const
const smallRooms: FleetOptions = { rooms: 400, membersPerRoom: few, writersPerRoom: few }
const largeRooms: FleetOptions = { rooms: 40, membersPerRoom: many, writersPerRoom: 2 }
/** On two nodes, which share a core. */
const across: FleetOptions = { rooms: 400, membersPerRoom: few, writersPerRoom: few }
const acrossRates = [1_000, 4_000] as const
const largeRates = [400, 1_600] as const

/** Memory is told from connections in rooms of this size and of two. */
const crowd = 50
const counted = 4_000

interface Spent {
  /** Microseconds of CPU per second. */
  readonly server: number
  readonly database: number
  readonly bytesSent: number
  readonly deliveries: number
  /** Per second. */
  readonly commits: number
}

const median = (samples: readonly number[]): number => statistic(samples).median

/** Types at a rate, several times over. */
const spentAt = async (bench: Bench, fleet: Fleet, target: Target, rate: number): Promise<Spent> => {
  const samples: Spent[] = []
  for (let i = 0; i < repetitions; i++) {
    const before = await counters(target)
    const start = performance.now()
    const { result, cost } = await measure(target, () => fleet.load(rate, seconds))
    const elapsed = (performance.now() - start) / 1000
    const after = await counters(target)
    if (result.lost > 0 || result.nacked > 0) throw new Error(`at ${rate}/s ${result.lost} were lost`)
    samples.push({
      server: (cost.serverCpuMs * 1000) / elapsed,
      database: (cost.databaseCpuMs * 1000) / elapsed,
      bytesSent: after.bytes - before.bytes,
      deliveries: result.delivered,
      commits: (after.commits - before.commits) / elapsed,
    })
    bench.log(`${rate} updates/s: ${Math.round(samples.at(-1)!.server / 1e4)} % of a core`)
  }
  const of = (key: keyof Spent): number => median(samples.map((sample) => sample[key]))
  return {
    server: of('server'),
    database: of('database'),
    bytesSent: of('bytesSent'),
    deliveries: of('deliveries'),
    commits: of('commits'),
  }
}

const counters = async (target: Target): Promise<{ bytes: number; commits: number }> => {
  const metrics = await scrape(target.port)
  return {
    bytes: metrics.get('weft_published_bytes_total') ?? NaN,
    commits: metrics.get('weft_journal_batch_entries_count') ?? NaN,
  }
}

/** The line of a fleet's CPU over the rate. */
const typing = async (bench: Bench, options: FleetOptions, at: readonly [number, number]) => {
  const server = await bench.weft()
  const fleet = await Fleet.connect(server.weft, options)
  await fleet.load(at[1], warmUpSeconds)
  const [low, high] = [
    await spentAt(bench, fleet, server.weft, at[0]),
    await spentAt(bench, fleet, server.weft, at[1]),
  ]
  const rss = await settled(server.weft)
  fleet.close()
  await server.stop()
  return {
    rss,
    server: lineThrough([at[0], low.server], [at[1], high.server]),
    database: lineThrough([at[0], low.database], [at[1], high.database]),
    deliveryBytes: high.bytesSent / high.deliveries,
    commits: high.commits,
  }
}

const settled = async (target: Target): Promise<number> => {
  await quiet(target, 5_000)
  await sleep(settleMs)
  return residentBytes(target.server.pid)
}

const memory = async (bench: Bench) => {
  const server = await bench.weft()
  const { weft } = server
  // Heaps that the first connections grow are used by the later ones.
  const first = await Fleet.connect(weft, { rooms: crowd, membersPerRoom: crowd, writersPerRoom: 0 })
  const before = await settled(weft)
  const { result: crowded, cost } = await measure(weft, () =>
    Fleet.connect(weft, { rooms: counted / crowd, membersPerRoom: crowd, writersPerRoom: 0 }),
  )
  const between = await settled(weft)
  const pairs = await Fleet.connect(weft, { rooms: counted / few, membersPerRoom: few, writersPerRoom: 0 })
  const after = await settled(weft)
  for (const fleet of [first, crowded, pairs]) fleet.close()
  await server.stop()
  const roomBytes = Math.max(0, (after - between - (between - before)) / (counted / few - counted / crowd))
  return {
    roomBytes,
    connectionBytes: (between - before) / counted - roomBytes / crowd,
    join: (cost.serverCpuMs * 1000) / counted,
  }
}

const nodesOf = ({ nodes }: Cluster): Nodes => [nodes[0].weft, nodes[1].weft]

/** What a load on two nodes takes, at each of the rates: microseconds of CPU per second, and bytes. */
const onTwoNodes = async (bench: Bench, options: FleetOptions, at: readonly number[]) => {
  const cluster = await bench.cluster()
  const nodes = nodesOf(cluster)
  const fleet = await Fleet.connect(nodes, options)
  await fleet.load(Math.max(...at), warmUpSeconds)
  const found: { nodes: number; database: number; redis: number; rss: number }[] = []
  for (const rate of at) {
    const samples: typeof found = []
    for (let i = 0; i < repetitions; i++) {
      const before = await countsOf(cluster)
      const start = performance.now()
      const { result, cost } = await measure(nodes, () => fleet.load(rate, seconds))
      const elapsed = (performance.now() - start) / 1000
      if (result.lost > 0 || result.nacked > 0)
        throw new Error(`on two nodes, at ${rate}/s ${result.lost} were lost, and ${result.nacked} refused`)
      const { redisCpuMs } = (await countsOf(cluster)).since(before)
      samples.push({
        nodes: (cost.serverCpuMs * 1000) / elapsed,
        database: (cost.databaseCpuMs * 1000) / elapsed,
        redis: (redisCpuMs * 1000) / elapsed,
        rss: cost.rss,
      })
    }
    const of = (key: 'nodes' | 'database' | 'redis' | 'rss'): number =>
      median(samples.map((sample) => sample[key]))
    found.push({ nodes: of('nodes'), database: of('database'), redis: of('redis'), rss: of('rss') })
    bench.log(`two nodes, ${rate} updates/s: ${Math.round(of('nodes') / 1e4)} % of a core`)
  }
  fleet.close()
  await Promise.all(cluster.nodes.map((node) => node.stop()))
  return found
}

/** Measures what one of each costs: about three minutes. */
export const measureCosts = async (bench: Bench): Promise<UnitCosts> => {
  const small = await typing(bench, smallRooms, rates)
  const large = await typing(bench, largeRooms, largeRates)
  const { update, delivery } = split(small.server.slope, few, large.server.slope, many)
  const node = Math.max(0, small.server.base)
  const { roomBytes, connectionBytes, join } = await memory(bench)
  const [low, high] = await onTwoNodes(bench, across, acrossRates)
  if (low === undefined || high === undefined) throw new RangeError('two rates are measured')
  const nodes = lineThrough([acrossRates[0], low.nodes], [acrossRates[1], high.nodes])
  const redis = lineThrough([acrossRates[0], low.redis], [acrossRates[1], high.redis])
  return {
    node,
    update,
    delivery,
    join,
    relay: nodes.slope - update - delivery * (few - 1),
    databaseNode: Math.max(0, small.database.base),
    databaseUpdate: small.database.slope,
    redisNode: Math.max(0, redis.base / 2),
    redisUpdate: redis.slope,
    processBytes: small.rss - smallRooms.rooms * (few * connectionBytes + roomBytes),
    connectionBytes,
    roomBytes,
    deliveryBytes: large.deliveryBytes,
    commits: small.commits,
  }
}

/** Runs a load, and tells what it took. */
export const measureLoad = async (bench: Bench, load: Load): Promise<Measurement> => {
  const { rooms, membersPerRoom, updatesPerSecond, nodes } = load
  const options = { rooms, membersPerRoom, writersPerRoom: 1 }
  if (nodes === 2) {
    const [both] = await onTwoNodes(bench, options, [updatesPerSecond])
    if (both === undefined) throw new RangeError('one rate is measured')
    return {
      nodeCpu: both.nodes / 1e6,
      databaseCpu: both.database / 1e6,
      redisCpu: both.redis / 1e6,
      memory: both.rss,
    }
  }
  const server = await bench.weft()
  const fleet = await Fleet.connect(server.weft, options)
  await fleet.load(updatesPerSecond, warmUpSeconds)
  const spent = await spentAt(bench, fleet, server.weft, updatesPerSecond)
  const memoryUsed = await settled(server.weft)
  fleet.close()
  await server.stop()
  return {
    nodeCpu: spent.server / 1e6,
    databaseCpu: spent.database / 1e6,
    memory: memoryUsed,
    egress: spent.bytesSent / seconds,
  }
}
