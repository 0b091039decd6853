import { createClient, type Client, type ClientOptions, type ConnectionStatus } from '@weft/client'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { createServer, type WeftServer } from '../index.js'
import { makeDataDir, until, type TempDir } from '../testing/index.js'
import { TcpProxy } from '../testing/tcp-proxy.js'
import { inSeconds, makeToken, testSecret } from '../testing/tokens.js'

/* The SDK's connection against a real server, with what happens to connections on the way. */

let dir: TempDir
let server: WeftServer
let proxy: TcpProxy
const clients: Client[] = []

const drainMs = 1_000

const start = (dataDir: string): Promise<WeftServer> =>
  createServer({
    port: 0,
    host: '127.0.0.1',
    dataDir,
    jwtSecret: testSecret,
    drainMs,
    logger: pino({ level: 'silent' }),
  })

/** A client behind the proxy, and every status that it has had. */
const connect = (options: Partial<ClientOptions>): { client: Client; statuses: ConnectionStatus[] } => {
  const client = createClient({ url: `ws://127.0.0.1:${proxy.port}`, ...options })
  clients.push(client)
  const statuses: ConnectionStatus[] = []
  client.on('status', (info) => statuses.push(info.status))
  return { client, statuses }
}

beforeAll(async () => {
  dir = await makeDataDir()
  server = await start(dir.path)
  proxy = await TcpProxy.start(server.port)
})

afterEach(() => {
  for (const each of clients.splice(0)) each.close()
})

afterAll(async () => {
  await proxy.close()
  await server.close()
  await dir.remove()
})

test('P9: a token is replaced on the running connection before it expires, and what it grants anew is entered', async () => {
  const expiries: number[] = []
  const { client, statuses } = connect({
    auth: () => {
      const first = expiries.length === 0
      const expires = inSeconds(first ? 4 : 60)
      expiries.push(expires)
      return makeToken(first ? { 'granted/*': 'write' } : { '*': 'write' }, { expires })
    },
  })
  const errors: string[] = []
  client.on('error', (error) => errors.push(error.code))
  const [granted, later] = [client.room('granted/a'), client.room('later')]
  await granted.synced()
  await until(() => later.status === 'denied', 'the first token does not grant it')
  await until(() => later.status === 'live', 'the second token grants it')
  expect(Date.now()).toBeLessThan((expiries[0] ?? 0) * 1_000)
  await until(() => Date.now() > (expiries[0] ?? 0) * 1_000 + 300, 'the first token has expired')
  granted.doc.getText('t').insert(0, 'still here')
  await granted.saved()
  expect(statuses.filter((status) => status === 'connected')).toHaveLength(1)
  expect(client.status).toBe('connected')
  expect(expiries).toHaveLength(2)
  expect(errors).toEqual([])
})

test('P9: a token that cannot be replaced costs a reconnect with a new one (4407), and nothing else', async () => {
  const tokens = [await makeToken({ '*': 'write' }, { expires: inSeconds(3) }), await makeToken()]
  const [first] = tokens
  let calls = 0
  const { client, statuses } = connect({
    timing: { retryBase: 50 },
    // The same until it has expired, as an application's cache may have it.
    auth: () => (++calls, statuses.includes('reconnecting') ? (tokens[1] ?? null) : (first ?? null)),
  })
  const errors: string[] = []
  client.on('error', (error) => errors.push(error.code))
  const room = client.room('cached')
  await room.synced()
  await until(() => statuses.includes('reconnecting'), 'the token expires')
  room.doc.getText('t').insert(0, 'kept')
  await room.saved()
  expect(calls).toBeGreaterThan(2)
  expect(errors).toContain('auth_failed')
  expect(errors).toContain('token_expired')
  expect(statuses).not.toContain('denied')
})

test('P10: a link that is silently dead is noticed while changes are unsaved, and they arrive', async () => {
  const { client } = connect({
    auth: () => makeToken(),
    timing: { probeTimeout: 1_000, unsavedPing: 300, retryBase: 50, lostAfter: 400 },
  })
  const told: string[] = []
  client.on('lost-connection', (what) => told.push(what))
  const room = client.room('dead link')
  await room.synced()
  proxy.deafen()
  const since = performance.now()
  room.doc.getText('t').insert(0, 'on its way')
  await until(() => client.connection.status === 'reconnecting', 'the dead link is noticed', 10_000)
  const noticed = performance.now() - since
  expect(client.connection).toMatchObject({ reason: { code: 'heartbeat_timeout' } })
  // One silence and one answer that does not come; the rest is for a busy machine, and far from two heartbeats (20 s).
  expect(noticed).toBeGreaterThan(900)
  expect(noticed).toBeLessThan(5_000)
  expect(room.unsaved).toBe(1)
  // New connections are as deaf, until the network is back.
  await until(() => told.length > 0, 'the loss has lasted')
  proxy.cut()
  await room.saved()
  await until(() => told.length === 2, 'the user is told')
  expect(told).toEqual(['lost', 'restored'])
})

test('P11: a draining node is left for another when it says so, and nothing is lost', async () => {
  const { client, statuses } = connect({ auth: () => makeToken(), timing: { retryBase: 50 } })
  const room = client.room('drained')
  await room.synced()
  let leaving = NaN
  client.on('status', (info) => {
    if (info.status === 'draining') leaving = info.at
  })
  const before = Date.now()
  const drained = server.close()
  await until(() => statuses.includes('draining'), 'DRAIN')
  expect(leaving).toBeGreaterThan(before + drainMs - 100)
  expect(leaving).toBeLessThan(Date.now() + drainMs + 100)
  room.doc.getText('t').insert(0, 'written meanwhile')
  expect(room.unsaved).toBe(1)
  await drained
  server = await start(dir.path)
  proxy.target = server.port
  await room.saved()
  expect(statuses.slice(statuses.indexOf('draining'))[1]).toBe('reconnecting')
  const other = connect({ auth: () => makeToken() }).client.room('drained')
  await other.synced()
  expect(other.doc.getText('t').toJSON()).toBe('written meanwhile')
})
