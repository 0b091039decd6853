/* Grants that change while people type, on three nodes with PostgreSQL and Redis between them. */
import { createClient, type Client, type Room } from '@weft/client'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { startPostgres, startRedis, until, type TestPostgres, type TestRedis } from '../testing/index.js'
import { startServer, type TestServer } from '../testing/start-server.js'
import { makeToken, testSecret } from '../testing/tokens.js'
import { within } from '../testing/until.js'
import { WeftBot } from '../testing/weft-bot.js'
import { YjsRaw } from '../testing/yjs-raw.js'

let postgres: TestPostgres
let redis: TestRedis
let nodes: TestServer[]
const clients: Client[] = []

beforeAll(async () => {
  ;[postgres, redis] = await Promise.all([startPostgres(), startRedis()])
  const databaseUrl = await postgres.createDatabase()
  const start = (): Promise<TestServer> =>
    startServer({ databaseUrl, redisUrl: redis.url, jwtSecret: testSecret })
  nodes = [await start(), await start(), await start()]
  await until(async () => {
    const heard = await Promise.all(nodes.map((node) => node.metric('weft_bus_nodes')))
    return heard.every((others) => others === 2)
  }, 'the nodes hear each other')
}, 180_000)
afterEach(() => {
  for (const client of clients.splice(0)) client.close()
})
afterAll(async () => {
  for (const node of nodes) expect(node.faults.slice(0, 3)).toEqual([])
  await Promise.all(nodes.map((node) => node.dispose()))
  await Promise.all([redis.dispose(), postgres.dispose()])
}, 60_000)

const node = (index: number): TestServer => {
  const found = nodes[index]
  if (found === undefined) throw new Error('no such node')
  return found
}

const connect = (index: number, user: string): Client => {
  const client = createClient({
    url: node(index).wsUrl,
    auth: () => makeToken({ '*': 'write' }, { user }),
    timing: { retryBase: 20 },
  })
  clients.push(client)
  return client
}

/** Everybody types in every room, until `stop`. @returns how many edits that was */
const load = (rooms: readonly Room[]): { stop(): number } => {
  let edits = 0
  const timer = setInterval(() => {
    for (const room of rooms) room.doc.getArray('load').push([edits++])
  }, 5)
  return {
    stop: () => {
      clearInterval(timer)
      return edits
    },
  }
}

test('P49, P80: under load, write is taken on all three nodes within a second; what comes later reaches nobody, and is kept', async () => {
  const [others, eves] = [
    [0, 1, 2].map((index) => connect(index, `user ${index}`).room('busy')),
    [0, 1, 2].map((index) => connect(index, 'eve')),
  ]
  const mine = eves.map((client) => client.room('busy'))
  const elsewhere = eves.map((client) => client.room('elsewhere'))
  await Promise.all([...others, ...mine, ...elsewhere].map((room) => room.synced()))
  const reasons: string[] = []
  const heardAt: number[] = []
  for (const room of mine) {
    room.on('error', ({ code, message }) => reasons.push(`${code}: ${message}`))
    room.on('access', () => heardAt.push(performance.now()))
  }
  const typing = load([...others, ...mine, ...elsewhere])
  await until(() => (others[0]?.doc.getArray('load').length ?? 0) > 200, 'the load')

  const revoked = performance.now()
  await node(0).server.control.grant('eve', 'busy', 'read')
  await until(() => mine.every(({ access }) => access === 'read'), 'every connection of the user is told')
  expect(Math.max(...heardAt) - revoked).toBeLessThan(1_000)
  expect(reasons).toEqual(Array(3).fill('forbidden: the grant was changed'))
  for (const room of mine) room.doc.getMap('late').set(String(room.doc.clientID), true)
  await until(() => elsewhere.every((room) => room.access === 'write'), 'the other room')
  typing.stop()
  await Promise.all([...others, ...elsewhere].map((room) => room.saved()))
  // What the others type now has gone the same way, after it.
  for (const room of others) room.doc.getMap('end').set(String(room.doc.clientID), true)
  await until(() => others.every((room) => room.doc.getMap('end').size === 3), 'what comes last')
  for (const room of others) expect(room.doc.getMap('late').size).toBe(0)
  expect(mine.every(({ unsaved, status }) => unsaved > 0 && status === 'live')).toBe(true)
  await until(
    () => mine.every((room) => room.doc.getMap('end').size === 3),
    'what comes last, for who may only read',
  )

  await node(2).server.control.grant('eve', 'busy', 'write')
  await Promise.all(mine.map((room) => room.saved()))
  await until(() => others.every((room) => room.doc.getMap('late').size === 3), 'what was kept')
  const texts = (): string[] =>
    [...others, ...mine].map((room) => JSON.stringify(room.doc.getArray('load').toJSON()))
  await until(() => new Set(texts()).size === 1, 'all have the same')
})

test('P48, P49: a token made before does not bring it back: on another node, after a restart, with another token', async () => {
  const issued = Date.now() / 1000
  const old = (user: string): Promise<string> => makeToken({ '*': 'write' }, { user, issued })
  const [ada, bob] = [await old('old ada'), await old('old bob')]
  const live = await WeftBot.open(node(1).wsUrl, { token: ada })
  const room = await live.join('kept')
  const gone = await WeftBot.open(node(1).wsUrl, { token: bob })
  await node(0).server.control.grant('old ada', 'kept', 'read')
  await node(0).server.control.disconnectUser('old bob', true)
  expect((await within(gone.closed, 'the close')).code).toBe(4403)
  expect(await live.next('access')).toMatchObject({ room: room.number, access: 'read' })
  // The older token once more, by AUTH: nothing changes.
  live.send({ type: 'auth', token: ada })
  await live.next('authed')
  expect(await room.fate(room.type('no'))).toBe('forbidden')
  await live.close()
  await node(2).restart()
  for (const { wsUrl } of nodes) {
    const again = await WeftBot.open(wsUrl, { token: ada })
    expect((await again.joinOnly('kept')).access).toBe('read')
    expect((await again.joinOnly('other')).access).toBe('write')
    await again.close()
    const stock = await YjsRaw.connect(wsUrl, `kept?token=${bob}`)
    expect((await within(stock.closed, 'the close')).code).toBe(4403)
    // A token that was made since is the application's newer word.
    const later = await WeftBot.open(wsUrl, { token: await makeToken({ '*': 'write' }, { user: 'old ada' }) })
    expect((await later.joinOnly('kept')).access).toBe('write')
    await later.close()
    const back = await WeftBot.open(wsUrl, { token: await makeToken({ '*': 'write' }, { user: 'old bob' }) })
    await back.close()
  }
})

test('I4, P49: without Redis the other nodes find it in the database, within a second', async () => {
  const bot = await WeftBot.open(node(1).wsUrl, { token: await makeToken({ '*': 'write' }, { user: 'far' }) })
  const room = await bot.join('far')
  await redis.kill()
  await until(() => !node(1).server.control.reaches, 'Redis is away')
  const revoked = performance.now()
  await node(0).server.control.grant('far', 'far', 'read')
  expect(await bot.next('access')).toMatchObject({ room: room.number, access: 'read' })
  expect(performance.now() - revoked).toBeLessThan(1_000)
  await redis.restart()
  await bot.close()
})

test('P80: stock clients are told, and what was refused comes when they may write again', async () => {
  const token = await makeToken({ '*': 'write' }, { user: 'stock' })
  const client = await YjsRaw.connect(node(1).wsUrl, `stock?token=${token}`)
  await client.sync()
  const reader = await (await WeftBot.open(node(2).wsUrl, { token: await makeToken() })).join('stock')
  await node(0).server.control.grant('stock', 'stock', 'read')
  await until(() => client.count('auth') === 1, 'the denial')
  client.type('kept')
  await client.sync()
  expect(reader.text).toBe('')
  const asked = client.count('step1')
  await node(0).server.control.grant('stock', 'stock', 'write')
  await until(() => client.count('step1') > asked, 'it is asked for what it has')
  await until(() => reader.text === 'kept', 'what was refused')
  await Promise.all([client.close(), reader.bot.close()])
})
