/* P54 to P57: who fills an empty room, on three nodes with a real Redis and a real PostgreSQL. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import * as Y from 'yjs'
import { openStore } from '../store/index.js'
import { FaultyStore, Ledger } from '../testing/faulty-store.js'
import { startPostgres, type TestPostgres } from '../testing/postgres.js'
import { startRedis, type TestRedis } from '../testing/redis.js'
import { startServer, type TestServer } from '../testing/start-server.js'
import { until } from '../testing/until.js'
import { WeftBot, type BotRoom } from '../testing/weft-bot.js'

let postgres: TestPostgres
let redis: TestRedis
let databaseUrl: string
let nodes: TestServer[] = []
const bots: WeftBot[] = []

beforeAll(async () => {
  postgres = await startPostgres()
  redis = await startRedis()
  databaseUrl = await postgres.createDatabase()
  nodes = await Promise.all(
    [1, 2, 3].map(() => startServer({ databaseUrl, redisUrl: redis.url, maxUpdateBytes: 256 * 1024 })),
  )
})
afterEach(() => {
  for (const bot of bots.splice(0)) bot.terminate()
})
afterAll(async () => {
  for (const { faults } of nodes) expect(faults).toEqual([])
  await Promise.all(nodes.map((node) => node.dispose()))
  await redis.dispose()
  await postgres.dispose()
})

const join = async (node: number, name: string, clientId?: Uint8Array): Promise<BotRoom> => {
  const { wsUrl } = nodes[node % nodes.length] as TestServer
  const bot = await WeftBot.open(wsUrl, clientId === undefined ? {} : { clientId })
  bots.push(bot)
  return await bot.join(name)
}
const textOf = (text: string): Uint8Array => {
  const doc = new Y.Doc()
  doc.getText('text').insert(0, text)
  return Y.encodeStateAsUpdate(doc)
}

describe('at the same moment', () => {
  test('P54, P55: of ten clients on three nodes one fills the room, and everybody gets that', async () => {
    for (let round = 0; round < 5; round++) {
      const name = `crowd ${round}`
      const rooms = await Promise.all(Array.from({ length: 10 }, (_, i) => join(i, name)))
      const numbers = rooms.map((room, i) => room.seed(`by ${i}.`))
      const fates = await Promise.all(rooms.map((room, i) => room.fate(numbers[i] ?? 0)))
      const winner = fates.indexOf(1)
      expect(fates).toEqual(fates.map((_, i) => (i === winner ? 1 : 'not_empty')))
      await until(() => rooms.every(({ text }) => text === `by ${winner}.`), 'all have the content')
      expect((await join(round, name)).text).toBe(`by ${winner}.`)
    }
  })

  test('P54: ten seeds of the very same bytes are ten seeds still', async () => {
    const update = textOf('the same')
    const rooms = await Promise.all(Array.from({ length: 10 }, (_, i) => join(i, 'same bytes')))
    const fates = await Promise.all(rooms.map((room) => room.fate(room.seed(update))))
    expect(fates.filter((fate) => fate === 1)).toHaveLength(1)
    expect(fates.filter((fate) => fate === 'not_empty')).toHaveLength(9)
  })

  test('P54: without Redis as well', async () => {
    const rooms = await Promise.all([0, 1, 2].map((i) => join(i, 'alone')))
    await redis.kill()
    try {
      const fates = await Promise.all(rooms.map((room, i) => room.fate(room.seed(`by ${i}.`))))
      expect(fates.filter((fate) => fate === 'not_empty')).toHaveLength(2)
      await until(() => rooms.every(({ text }) => text === `by ${fates.indexOf(1)}.`), 'the sweep brings it')
    } finally {
      await redis.restart()
      const healthy = (node: TestServer): Promise<number> => node.metric('weft_bus_healthy')
      await until(async () => (await Promise.all(nodes.map(healthy))).every(Boolean), 'Redis is back')
    }
  })
})

describe('one seed', () => {
  test('P55: is not relayed before its commit, on no node; then everybody has it', async () => {
    const [ada, near, far] = [await join(0, 'later'), await join(0, 'later'), await join(1, 'later')]
    postgres.pause()
    try {
      const n = ada.seed('template')
      await ada.bot.flush()
      // What the nodes tell each other about typing overtakes nothing: it comes, the seed does not.
      near.type('typed ')
      await until(() => far.text === 'typed ', 'the relay of an update')
      expect([ada.text, near.text, far.text]).toEqual(['typed ', 'typed ', 'typed '])
      postgres.resume()
      // In the journal of its node the seed comes first.
      expect(await ada.fate(n)).toBe(1)
    } finally {
      postgres.resume()
    }
    const both = (text: string): boolean => text.includes('template') && text.includes('typed ')
    await until(() => [ada, near, far].every(({ text }) => both(text)), 'all have both')
  })

  test('P56: sent again after a lost ack it is acknowledged: same node, another node, and when others have typed', async () => {
    const first = await join(0, 'again')
    const { clientId } = first.bot
    const update = textOf('mine')
    postgres.pause()
    first.seed(update)
    await first.bot.flush()
    first.bot.terminate()
    // It waits for its commit on the first node, and comes again there and on another.
    const here = await join(0, 'again', clientId)
    here.seed(update, 1)
    await here.bot.flush()
    postgres.resume()
    expect(await here.fate(1)).toBe(1)
    const other = await join(1, 'again')
    other.type('!')
    await other.saved()
    for (const node of [0, 1, 2]) {
      const room = await join(node, 'again', clientId)
      expect(await room.fate(room.seed(update, 1))).toBe(1)
      const stranger = await join(node, 'again')
      expect(await stranger.fate(stranger.seed(update, 1))).toBe('not_empty')
      const changed = await join(node, 'again', clientId)
      expect(await changed.fate(changed.seed(textOf('other'), 1))).toBe('not_empty')
    }
    await until(() => other.text.includes('mine') && other.text.length === 5, 'once')
    expect((await join(2, 'again')).text).toHaveLength(5)
  })

  test('P22, P23: keeps its place among the changes of its client, taken or refused', async () => {
    const room = await join(0, 'order')
    room.append('before', 1)
    const seed = room.seed('filled')
    room.append('after', 2)
    await room.saved()
    expect(room.bot.frames.filter(({ type }) => type === 'nack')).toEqual([])
    await until(() => room.events.length === 2 && room.text === 'filled', 'everything comes back')
    expect(room.events.map(({ seq, n }) => [seq, n])).toEqual([
      [1, 1],
      [3, 3],
    ])
    expect(seed).toBe(2)
    const late = await join(1, 'order')
    late.append('before', 3)
    const refused = late.seed('too late')
    const last = late.append('after', 4)
    expect(await late.fate(refused)).toBe('not_empty')
    await late.saved(last)
    expect((await join(2, 'order')).text).toBe('filled')
  })

  test('P54: of a room that is known to have content is refused while the database is away', async () => {
    const room = await join(0, 'full')
    room.type('x')
    await room.saved()
    postgres.pause()
    try {
      expect(await room.fate(room.seed('late'))).toBe('not_empty')
    } finally {
      postgres.resume()
    }
  })

  test('P54: fills a room of messages; P25: a large one, and what is none', async () => {
    const room = await join(0, 'large')
    room.append('said', 1)
    await room.saved()
    const text = 'x'.repeat(200_000)
    const update = textOf(text)
    expect(await room.fate(room.seed(update.subarray(0, 100_000)))).toBe('invalid_update')
    expect(await room.fate(room.seed(Uint8Array.of(1, 2, 3)))).toBe('invalid_update')
    expect(await room.fate(room.seed(new Uint8Array(256 * 1024 + 1)))).toBe('too_large')
    const n = room.seed(update)
    expect(await room.fate(n)).toBe(2)
    const far = await join(1, 'large')
    expect(far.text).toBe(text)
    const again = await join(2, 'large', room.bot.clientId)
    expect(await again.fate(again.seed(update, n))).toBe(2)
    room.bot.send({ type: 'seed', room: room.number + 1000, n: 1, update })
    expect(await room.bot.next('nack')).toMatchObject({ n: 1, code: 'not_joined' })
  })
})

test('P56: a commit whose answer is lost, and one that did not happen, give the same as others', async () => {
  const log = { info: () => undefined, warn: () => undefined, error: () => undefined }
  const inner = await openStore({ databaseUrl, dataDir: '/nonexistent', logger: log })
  const ledger = new Ledger()
  const store = new FaultyStore(inner, ledger, () => Promise.resolve())
  const node = await startServer({ store })
  nodes.push(node)
  for (const fault of ['ambiguous', 'before'] as const) {
    const room = await join(3, fault)
    const rival = await join(3, fault)
    store.faults.push(fault)
    const [n, late] = [room.seed('once'), rival.seed('too late')]
    expect(await room.fate(n)).toBe(1)
    expect(await rival.fate(late)).toBe('not_empty')
    await until(() => room.text === 'once' && rival.text === 'once', 'the content')
  }
  expect([ledger.ambiguous, ledger.failed]).toEqual([1, 1])
  nodes.pop()
  await node.dispose()
  await inner.close()
})
