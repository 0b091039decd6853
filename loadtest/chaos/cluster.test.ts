/*
 * Three nodes, one PostgreSQL, one Redis, and people who go on typing: whatever of it fails, everybody ends with the same, and
 * nothing acknowledged is lost (I1, I4). `WEFT_OUTAGE_MS` sets how long a fault lasts (from 15 s on: a frozen node's 20 s),
 * `WEFT_SEED` the seed.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import {
  serverProcess,
  startPostgres,
  startRedis,
  until,
  type ServerProcess,
  type TestPostgres,
  type TestRedis,
} from '@weft/server/testing'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { Balancer } from './balancer.js'
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

let database: TestPostgres
let redis: TestRedis
let nodes: ServerProcess[]
let balancer: Balancer
let crew: Crew
let stock: StockTypist[]
let run = 0

beforeAll(async () => {
  database = await startPostgres()
  redis = await startRedis()
  const env = { DATABASE_URL: await database.createDatabase(), REDIS_URL: redis.url }
  nodes = [await serverProcess(env), await serverProcess(env), await serverProcess(env)]
  for (const node of nodes) node.spawn()
  await Promise.all(nodes.map((node) => node.untilUp()))
  balancer = await Balancer.start(nodes.map(({ port }) => port))
})

afterAll(async () => {
  await Promise.all(nodes.map((node) => node.kill()))
  await balancer.close()
  await redis.dispose()
  await database.dispose()
})

beforeEach(async () => {
  const random = randomOf(seed + ++run)
  const names = rooms.map((room) => `${run}: ${room}`)
  crew = new Crew(balancer.url, names, random, 250)
  crew.add(30)
  stock = names.slice(0, 6).map((room, i) => new StockTypist(`stock ${i}`, balancer.url, room, random))
  crew.start()
  for (const typist of stock) typist.start(250)
  await typed(200)
})

afterEach(async () => {
  for (const typist of stock) typist.close()
  crew.close()
  // A test that failed leaves it as it was.
  redis.cont()
  database.resume()
  await redis.restart().catch(() => undefined)
  await database.start().catch(() => undefined)
  for (const node of nodes) {
    node.resume()
    node.spawn()
  }
  await Promise.all(nodes.map((node) => node.untilUp()))
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
  for (const typist of stock) typist.stop()
  const elsewhere = new Map(stock.map(({ room, typed: tokens }) => [room, tokens]))
  const { lost, wrong } = await crew.verify(elsewhere)
  expect({ lost, wrong }).toEqual({ lost: [], wrong: [] })
  const fresh = await crew.fresh()
  for (const typist of stock) {
    const content = fresh.get(typist.room)?.join()
    await until(() => typist.content.join() === content, `the stock client sees the same in ${typist.room}`)
  }
}

/** A metric of all nodes together. */
const sum = async (metric: string): Promise<number> => {
  let total = 0
  for (const node of nodes) total += await node.metric(metric)
  return total
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
      const before = await sum('weft_log_repairs_total')
      const committed = await sum('weft_updates_received_total')
      await typed(500)
      const repaired = (await sum('weft_log_repairs_total')) - before
      expect(repaired).toBeLessThan(((await sum('weft_updates_received_total')) - committed) / 10)
    },
  )

  fault('a node is killed, and comes back', async () => {
    await nodes[0]!.kill()
    await typed(300)
    nodes[0]!.spawn()
  })

  fault('a node is frozen, and wakes up', async () => {
    nodes[1]!.pause()
    const frozen = performance.now()
    // Whatever it was in the middle of, the others' acks go on.
    await saved(30)
    expect(performance.now() - frozen).toBeLessThan(4_000)
    await sleep(Math.max(0, frozenFor - (performance.now() - frozen)))
    nodes[1]!.resume()
  })

  fault('Redis is killed, and comes back empty', async () => {
    await redis.kill()
    await saved(100)
    await sleep(outage)
    await redis.restart()
  })

  fault('Redis is frozen: connections stay open, and nothing is answered', async () => {
    redis.stop()
    await saved(100)
    await sleep(outage)
    redis.cont()
  })

  fault('PostgreSQL is killed, and comes back', async () => {
    await database.kill()
    await sleep(outage)
    await database.start()
  })

  fault('PostgreSQL is frozen, and wakes up', async () => {
    database.pause()
    await sleep(outage)
    database.resume()
  })

  fault('connections are cut, and some left half-open', async () => {
    const random = randomOf(seed + 100 * run)
    for (let i = 0; i < 5; i++) {
      balancer.disturb(random)
      await typed(100)
    }
    expect(balancer.cuts).toBeGreaterThan(20)
  })

  test(
    'a rolling restart: each node stops in good order, and nothing is lost',
    async () => {
      for (const node of nodes) {
        expect(await node.terminate()).toBe(0)
        await typed(100)
        node.spawn()
        await node.untilUp()
        await saved(100)
      }
      await converges()
    },
    limit,
  )
})
