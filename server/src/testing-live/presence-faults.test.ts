/*
 * Presence across three server processes with one PostgreSQL and one Redis, while nodes, Redis and PostgreSQL fail: whoever is
 * there is seen, and whoever is not is gone in time.
 */
import type { Room } from '@weft/client'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import WebSocket from 'ws'
import type { WebsocketProvider } from 'y-websocket'
import {
  serverProcess,
  startPostgres,
  startRedis,
  until,
  type ServerProcess,
  type TestPostgres,
  type TestRedis,
} from '../testing/index.js'
import { TcpProxy } from '../testing/tcp-proxy.js'
import { People, sees, watchFor, type Shown, type Watcher } from './presence-people.js'

let postgres: TestPostgres
let redis: TestRedis
/** Between Redis and node a. */
let proxy: TcpProxy
let a: ServerProcess
let b: ServerProcess
let c: ServerProcess
const people = new People()
let room = ''
let rooms = 0

/** Those of the room who stay: a stock client on node a, which is "ada", and one of the SDK on node b, which is "bob". */
let ada: WebsocketProvider
let bob: Room<Shown>
/** Both, with the name that only the other one sees. */
const both = (...names: string[]): Promise<unknown> =>
  Promise.all([sees(ada, ...[...names, 'bob'].sort()), sees(bob, ...[...names, 'ada'].sort())])

const all = (): ServerProcess[] => [a, b, c]

const everyNode = async (metric: string, value: number, nodes: ServerProcess[]): Promise<void> =>
  until(
    async () => {
      for (const node of nodes) if ((await node.metric(metric)) !== value) return false
      return true
    },
    `${metric} is ${value}`,
    30_000,
  )

/** All hear each other. */
const together = async (): Promise<void> => {
  await Promise.all(all().map((node) => node.untilUp()))
  await everyNode('weft_bus_healthy', 1, all())
  await everyNode('weft_bus_nodes', 2, all())
}

const givenUp = async (by: 'bus' | 'database'): Promise<number> => {
  let sum = 0
  for (const node of [a, b]) sum += await node.metric('weft_nodes_given_up_total', by)
  return sum
}

/** Waits until a node has heard so much more of the others: at the least two signs of life a second. */
const heardMore = async (node: ServerProcess, messages: number): Promise<void> => {
  const goal = (await node.metric('weft_bus_received_total')) + messages
  await until(async () => (await node.metric('weft_bus_received_total')) >= goal, `${messages} more messages`)
}

/** Waits until a node has swept so many more times. */
const sweptMore = async (node: ServerProcess, times: number): Promise<void> => {
  const goal = (await node.metric('weft_sweep_seconds_count')) + times
  await until(async () => (await node.metric('weft_sweep_seconds_count')) >= goal, `${times} more sweeps`)
}

/** Two people on node c, who are seen: a stock client "cy" and one of the SDK "cleo". */
const onC = async (): Promise<{ cy: WebsocketProvider; cleo: Room<Shown> }> => {
  const [cy, cleo] = [people.stock(c.url, room), await people.sdk(c.url, room)]
  cy.awareness.setLocalState({ name: 'cy' })
  cleo.presence.set({ name: 'cleo' })
  await both('cleo', 'cy')
  return { cy, cleo }
}

beforeAll(async () => {
  vi.stubGlobal('WebSocket', WebSocket)
  postgres = await startPostgres()
  redis = await startRedis()
  proxy = await TcpProxy.start(redis.port)
  const env = { DATABASE_URL: await postgres.createDatabase(), REDIS_URL: redis.url, DRAIN_MS: '0' }
  ;[a, b, c] = await Promise.all([
    serverProcess({ ...env, REDIS_URL: `redis://127.0.0.1:${proxy.port}` }),
    serverProcess(env),
    serverProcess(env),
  ])
  for (const node of all()) node.spawn()
  await together()
})

beforeEach(async () => {
  room = `room ${++rooms}`
  ada = people.stock(a.url, room)
  ada.awareness.setLocalState({ name: 'ada' })
  bob = await people.sdk(b.url, room)
  bob.presence.set({ name: 'bob' })
  await both()
})

afterEach(async () => {
  people.leave()
  // A test that failed leaves it as it was.
  proxy.target = redis.port
  redis.cont()
  await redis.restart().catch(() => undefined)
  await postgres.start().catch(() => undefined)
  for (const node of all()) {
    node.resume()
    node.spawn()
  }
  await together()
})

afterAll(async () => {
  vi.unstubAllGlobals()
  await Promise.all(all().map((node) => node.kill()))
  await proxy.close()
  await redis.dispose()
  await postgres.dispose()
})

describe('P32: presence across nodes that fail', () => {
  test('a node that is killed takes its clients along within 5 s; back, it brings them back', async () => {
    await onC()
    await c.kill()
    const killed = performance.now()
    await both()
    expect(performance.now() - killed).toBeLessThan(5_000)
    // They go on trying: the same people, under the same awareness ids.
    c.spawn()
    await both('cleo', 'cy')
  })

  test('a node that is stopped takes them along at once', async () => {
    await onC()
    const stopped = performance.now()
    const exit = c.terminate()
    await both()
    expect(performance.now() - stopped).toBeLessThan(2_500)
    expect(await exit).toBe(0)
  })

  test('P31: who leaves a frozen node for another one is seen, and stays when the frozen node wakes up', async () => {
    const { cy } = await onC()
    c.pause()
    await both()
    const moved = people.stock(b.url, room, cy)
    await both('cy')
    const missed = [ada, bob].map((watcher: Watcher) => watchFor(watcher, cy.doc.clientID))
    // The old socket is closed, which the frozen node learns when it wakes up, with all that it missed.
    cy.disconnect()
    c.resume()
    // Those who are still there are back.
    await both('cleo', 'cy')
    await until(async () => (await c.metric('weft_connections', 'yjs')) === 0, 'the old connection is gone')
    moved.awareness.setLocalState({ name: 'cyrus' })
    await both('cleo', 'cyrus')
    await heardMore(a, 10)
    await both('cleo', 'cyrus')
    expect(missed.map((count) => count())).toEqual([0, 0])
  })

  test('while Redis is away those of a killed node are gone by its row, and the others stay; back, it shows all', async () => {
    await onC()
    const before = await givenUp('database')
    await redis.kill()
    await everyNode('weft_bus_healthy', 0, all())
    // Its row is one of a node without Redis by then, which has to be renewed sooner.
    await sweptMore(c, 2)
    await c.kill()
    const killed = performance.now()
    await both()
    expect(performance.now() - killed).toBeLessThan(5_000)
    expect(await givenUp('database')).toBe(before + 2)
    expect(a.log).toContain('another node does not renew its row')
    await redis.restart()
    c.spawn()
    await both('cleo', 'cy')
    await everyNode('weft_bus_nodes', 2, all())
    await both('cleo', 'cy')
  })

  test('while Redis is away a node that is stopped removes its row: its clients are gone at once', async () => {
    await onC()
    await redis.kill()
    await everyNode('weft_bus_healthy', 0, all())
    const stopped = performance.now()
    const exit = c.terminate()
    await both()
    expect(performance.now() - stopped).toBeLessThan(2_500)
    expect(await exit).toBe(0)
  })

  test('while Redis and PostgreSQL are away everybody is kept, and who died meanwhile is gone once the database is back', async () => {
    await onC()
    const before = await givenUp('database')
    const missed = [watchFor(ada, bob.awareness.clientID), watchFor(bob, ada.doc.clientID)]
    await redis.kill()
    await everyNode('weft_bus_healthy', 0, all())
    await postgres.kill()
    await c.kill()
    // Longer than a row lasts: a sign of life a second cannot be sent.
    const dropped = (await a.metric('weft_bus_dropped_total')) + 6
    await until(async () => (await a.metric('weft_bus_dropped_total')) >= dropped, '5 s without Redis')
    await both('cleo', 'cy')
    await postgres.start()
    await both()
    expect(await givenUp('database')).toBe(before + 2)
    expect(missed.map((count) => count())).toEqual([0, 0])
  })

  test('a node whose way to Redis is cut keeps those of the others, which renew their rows at leisure', async () => {
    const { cy, cleo } = await onC()
    const missed = [cy.doc.clientID, cleo.awareness.clientID, bob.awareness.clientID].map((id) =>
      watchFor(ada, id),
    )
    proxy.target = null
    proxy.cut()
    await everyNode('weft_bus_healthy', 0, [a])
    // Longer than any row lasts.
    const dropped = (await a.metric('weft_bus_dropped_total')) + 10
    await until(async () => (await a.metric('weft_bus_dropped_total')) >= dropped, '9 s without Redis')
    await sees(ada, 'bob', 'cleo', 'cy')
    await sees(bob, 'cleo', 'cy')
    cleo.presence.set({ name: 'clea' })
    proxy.target = redis.port
    await both('clea', 'cy')
    expect(missed.map((count) => count())).toEqual([0, 0, 0])
  })

  test('connections to Redis that are cut take nobody along', async () => {
    const { cy, cleo } = await onC()
    const by = await givenUp('bus')
    const missed = [cy.doc.clientID, cleo.awareness.clientID, ada.doc.clientID].map((id) => watchFor(bob, id))
    const admin = new Redis(redis.port, '127.0.0.1')
    for (let cut = 0; cut < 3; cut++) {
      expect(Number(await admin.call('client', 'kill', 'type', 'pubsub'))).toBeGreaterThanOrEqual(3)
      await everyNode('weft_bus_healthy', 1, all())
      await heardMore(a, 10)
    }
    admin.disconnect()
    cy.awareness.setLocalState({ name: 'cyrus' })
    await both('cleo', 'cyrus')
    expect(missed.map((count) => count())).toEqual([0, 0, 0])
    expect(await givenUp('bus')).toBe(by)
  })
})
