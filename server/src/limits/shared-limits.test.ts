/* What nodes count together, over a real Redis: what it adds, and what is left without it (I4). */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { connectRedis } from '../bus/index.js'
import { startRedis, type TestRedis } from '../testing/redis.js'
import { until } from '../testing/until.js'
import { ConnectionCounts } from './connection-counts.js'
import { Handshakes } from './handshakes.js'
import { SharedLimits } from './shared-limits.js'

let redis: TestRedis
const nodes: SharedLimits[] = []
let prefixes = 0

beforeAll(async () => {
  redis = await startRedis()
})
afterEach(() => {
  for (const node of nodes.splice(0)) node.close()
})
afterAll(() => redis.dispose())

interface Node {
  readonly handshakes: Handshakes
  readonly users: ConnectionCounts
}
const startNodes = async (count: number, limit: number): Promise<Node[]> => {
  const prefix = `test ${++prefixes}:`
  const started: Node[] = []
  for (let i = 0; i < count; i++) {
    const connection = connectRedis(redis.url, undefined)
    const shared = new SharedLimits(connection, prefix, 200)
    nodes.push(shared)
    const users = new ConnectionCounts(limit)
    shared.share({ user: users })
    started.push({ handshakes: new Handshakes(limit, shared.handshakes(limit)), users })
    await until(() => connection.status === 'ready', 'connected')
  }
  return started
}
const two = async (limit: number): Promise<[Node, Node]> => {
  const [a, b] = await startNodes(2, limit)
  if (a === undefined || b === undefined) throw new Error('two were started')
  return [a, b]
}
const connect = ({ users }: Node, count: number): number =>
  Array.from({ length: count }, () => users.take('ada')).filter((taken) => taken !== null).length

test('P74: handshakes of an address count on all nodes; other addresses do not mind', async () => {
  const [a, b] = await two(6)
  for (let i = 0; i < 3; i++) expect([a.handshakes.take('x'), b.handshakes.take('x')]).toEqual([0, 0])
  // Neither has had six of its own. A refusal is known from the answer to the last one on.
  await until(() => a.handshakes.take('x') > 0 && b.handshakes.take('x') > 0, 'both refuse')
  expect(a.handshakes.take('x')).toBeLessThanOrEqual(60_000)
  expect(a.handshakes.take('y')).toBe(0)
})

test('P74: connections of a user count on all nodes, and no more when they have closed, or their node has died', async () => {
  const [a, b] = await two(10)
  const taken = Array.from({ length: 7 }, () => a.users.take('ada'))
  expect(connect(b, 2)).toBe(2)
  await until(() => [...b.users.notable()][0]?.others === 7, 'b has heard of a')
  await until(() => [...a.users.notable()][0]?.others === 2, 'a has heard of b')
  expect(connect(b, 5)).toBe(1)
  expect(connect(a, 5)).toBe(1)
  expect(b.users.take('bob')).not.toBeNull()

  for (const counted of taken) if (counted !== null) a.users.release(counted)
  await until(() => [...b.users.notable()][0]?.others === 0, 'b has heard that they have closed')
  expect(connect(b, 100)).toBe(7)

  connect(a, 5)
  await until(() => ([...a.users.notable()][0]?.others ?? 0) > 0, 'a has heard of b')
  nodes[1]?.close()
  await until(() => [...a.users.notable()][0]?.others === 0, 'b is gone')
})

test.each(['killed', 'frozen'] as const)(
  'I4: with Redis %s each node goes on with its own count, at once, and together again when it is back',
  async (how) => {
    const [a, b] = await two(10)
    connect(a, 8)
    connect(b, 2)
    await until(() => [...b.users.notable()][0]?.others === 8, 'b has heard of a')
    if (how === 'killed') await redis.kill()
    else redis.stop()
    try {
      await until(() => [...b.users.notable()][0]?.others === 0, 'b counts its own alone')
      expect(connect(b, 100)).toBe(8)
      for (let i = 0; i < 10; i++) expect(b.handshakes.take('z')).toBe(0)
      await until(() => b.handshakes.take('z') > 0, 'its own are too many')
      expect(b.handshakes.take('w')).toBe(0)
    } finally {
      if (how === 'killed') await redis.restart()
      else redis.cont()
    }
    await until(() => [...a.users.notable()][0]?.others === 10, 'a hears of b again')
  },
)
