/*
 * Three nodes, one PostgreSQL, one Redis, and people who go on typing: whatever of it fails, everybody ends with the same, and
 * nothing acknowledged is lost (I1, I4). `WEFT_OUTAGE_MS` sets how long a fault lasts (from 15 s on: a frozen node's 20 s),
 * `WEFT_SEED` the seed.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { until } from '@weft/server/testing'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { Cluster } from './cluster.js'
import { converge } from './converge.js'
import { faults, type Fault } from './faults.js'
import { randomOf } from './random.js'
import { StockTypist } from './stock-typist.js'
import { Crew } from './typists.js'

/** Milliseconds. */
const outage = Number(process.env['WEFT_OUTAGE_MS'] ?? '3000')
/** A frozen node's: where faults last long, longer than its clients wait for a sign of life (20 s). */
const frozenFor = outage >= 15_000 ? Math.max(outage, 20_000) : outage
const seed = Number(process.env['WEFT_SEED'] ?? '1')
const rooms = Array.from({ length: 10 }, (_, i) => `room ${i}`)
const limit = 60_000 + 4 * outage

let cluster: Cluster
let crew: Crew
let stock: StockTypist[]
let run = 0

beforeAll(async () => {
  cluster = await Cluster.start(3)
})

afterAll(() => cluster.stop())

beforeEach(async () => {
  const random = randomOf(seed + ++run)
  const { url } = cluster.balancer
  const names = rooms.map((room) => `${run}: ${room}`)
  crew = new Crew(url, names, random, 250)
  crew.add(30)
  stock = names.slice(0, 6).map((room, i) => new StockTypist(`stock ${i}`, url, room, random))
  crew.start()
  for (const typist of stock) typist.start(250)
  await typed(200)
})

afterEach(async () => {
  for (const typist of stock) typist.close()
  crew.close()
  // A test that failed leaves it as it was.
  await cluster.restore()
})

/** Waits until that many more edits were typed. */
const typed = async (count: number): Promise<void> => {
  const goal = crew.tally.typed + count
  await until(() => crew.tally.typed >= goal, `${count} edits`)
}

/** Waits until that many more edits were acknowledged. */
const saved = async (count: number): Promise<void> => {
  const goal = crew.tally.saved + count
  await until(() => crew.tally.saved >= goal, `${count} saved edits`, 30_000)
}

/** Everybody has the same, everything acknowledged is in it, and everything typed, once. */
const converges = async (): Promise<void> => {
  expect(await converge(crew, stock)).toEqual({ lost: [], wrong: [] })
}

/** A fault that lasts as long as `during` takes. */
const hit = async (fault: Fault, during: (share: number) => Promise<void>, node = 0): Promise<void> => {
  const random = randomOf(seed + 100 * run)
  await fault.run({ cluster, node: cluster.nodes[node]!, random, during })
}

const fault = (name: string, body: () => Promise<void>): void => {
  test(
    name,
    async () => {
      await body()
      await saved(200)
      await converges()
    },
    limit,
  )
}

describe('I1, I4: a cluster of three nodes', () => {
  fault(
    'nothing fails: what others commit is told on the bus, and hardly ever read from the log',
    async () => {
      const before = await cluster.metric('weft_log_repairs_total')
      const committed = await cluster.metric('weft_updates_received_total')
      await typed(500)
      const repaired = (await cluster.metric('weft_log_repairs_total')) - before
      expect(repaired).toBeLessThan(((await cluster.metric('weft_updates_received_total')) - committed) / 10)
    },
  )

  fault('a node is killed, and comes back', () => hit(faults['node-killed'], () => typed(300)))

  fault('a node is frozen, and wakes up', () =>
    hit(
      faults['node-frozen'],
      async () => {
        const frozen = performance.now()
        // Whatever it was in the middle of, the others' acks go on.
        await saved(30)
        expect(performance.now() - frozen).toBeLessThan(4_000)
        await sleep(Math.max(0, frozenFor - (performance.now() - frozen)))
      },
      1,
    ),
  )

  const savedThroughout = async (): Promise<void> => {
    await saved(100)
    await sleep(outage)
  }

  fault('Redis is killed, and comes back empty', () => hit(faults['redis-killed'], savedThroughout))

  fault('Redis is frozen: connections stay open, and nothing is answered', () =>
    hit(faults['redis-frozen'], savedThroughout),
  )

  fault('PostgreSQL is killed, and comes back', () => hit(faults['postgres-killed'], () => sleep(outage)))

  fault('PostgreSQL is frozen, and wakes up', () => hit(faults['postgres-frozen'], () => sleep(outage)))

  fault('connections are cut, and some left half-open', async () => {
    const before = cluster.balancer.cuts
    await hit(faults['connections-cut'], () => typed(100))
    expect(cluster.balancer.cuts - before).toBeGreaterThan(20)
  })

  fault('a rolling restart: each node stops in good order, and nothing is lost', () =>
    hit(faults['rolling-restart'], () => saved(100)),
  )
})
