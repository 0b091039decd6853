/* Each limit reached: answered as documented, and nobody else notices (P74, P75, P76). */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import WebSocket from 'ws'
import { encodeClientFrame, encodeValue } from '@weft/protocol'
import { HocuspocusClients } from '../testing/hocuspocus-clients.js'
import { startServer, type TestServer } from '../testing/start-server.js'
import { makeToken, testSecret } from '../testing/tokens.js'
import { until, within } from '../testing/until.js'
import { WeftBot, type BotRoom } from '../testing/weft-bot.js'
import { YjsRaw } from '../testing/yjs-raw.js'

const limits = {
  maxConnections: 25,
  maxConnectionsPerTenant: 6,
  maxConnectionsPerUser: 3,
  maxConnectionsPerIp: 4,
  maxHandshakesPerIp: 8,
  maxFramesPerSecond: 40,
  maxBytesPerSecond: 60_000,
  maxFrameBytes: 100_000,
  maxUpdateBytes: 50_000,
  maxDocumentBytes: 20_000,
  compactBytes: 1_024,
}

let server: TestServer
/** Somebody who does nothing wrong. */
let honest: BotRoom
const sockets: WebSocket[] = []
const bots: WeftBot[] = []
let users = 0

beforeAll(async () => {
  server = await startServer({
    ...limits,
    jwtSecret: testSecret,
    trustedProxies: ['127.0.0.0/8'],
    roomIdleMs: 0,
  })
  honest = await (await open('honest', 'honest')).join('honest')
  bots.length = 0
})
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.terminate()
  for (const bot of bots.splice(0)) bot.terminate()
  await until(async () => (await server.metric('weft_connections')) === 1, 'only the honest one is left')
  honest.type('.')
  await honest.saved()
})
afterAll(async () => {
  expect(server.faults).toEqual([])
  await server.dispose()
})

/** How a handshake was answered. */
interface Answer {
  readonly status: number
  readonly retryAfter: number
  readonly socket: WebSocket | null
}

/** @param from the address that the proxy tells, or several headers of that kind */
const handshake = (from?: string | string[]): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const headers = from === undefined ? {} : { 'X-Forwarded-For': from }
    const socket = new WebSocket(`${server.wsUrl}/v1/connect`, { headers })
    sockets.push(socket)
    socket.on('open', () => resolve({ status: 101, retryAfter: 0, socket }))
    socket.on('unexpected-response', (request, { statusCode = 0, headers: { 'retry-after': after } }) => {
      request.destroy()
      resolve({ status: statusCode, retryAfter: Number(after), socket: null })
    })
    socket.on('error', reject)
  })
const close = async ({ socket }: Answer): Promise<void> => {
  if (socket === null) throw new Error('the handshake was refused')
  const closed = new Promise((resolve) => socket.once('close', resolve))
  socket.close()
  await within(closed, 'the close')
}
const reached = (limit: string): Promise<number> => server.metric('weft_limited_total', `limit="${limit}"`)
const tokenOf = (user: string, tenant?: string): Promise<string> =>
  makeToken({ '*': 'write' }, { user, ...(tenant === undefined ? {} : { tenant }) })
const open = async (user: string, tenant: string): Promise<WeftBot> => {
  const bot = await WeftBot.open(server.wsUrl, { token: await tokenOf(user, tenant) })
  bots.push(bot)
  return bot
}
const someone = (): Promise<WeftBot> => open(`user ${++users}`, `tenant ${users}`)

describe('P74: connections', () => {
  test('of an address: one more is 429; other addresses are served, and so is this one when it has closed one', async () => {
    const before = await reached('connections_per_ip')
    const [first] = await Promise.all([1, 2, 3, 4].map(() => handshake('203.0.113.5')))
    const more = await handshake('203.0.113.5')
    expect(more.status).toBe(429)
    expect(more.retryAfter).toBeGreaterThan(0)
    expect((await handshake('203.0.113.6')).status).toBe(101)
    // What the client writes itself, in the header or as one of its own before the proxy's, changes nothing.
    expect((await handshake('198.51.100.9, 203.0.113.5')).status).toBe(429)
    expect((await handshake(['198.51.100.9', '203.0.113.5'])).status).toBe(429)
    expect(await reached('connections_per_ip')).toBe(before + 3)
    if (first !== undefined) await close(first)
    expect((await handshake('203.0.113.5')).status).toBe(101)
  })

  test('of this machine without a word of a proxy: the limits of an address are not for it', async () => {
    const answers = await Promise.all(Array.from({ length: 12 }, () => handshake()))
    expect(answers.map(({ status }) => status)).toEqual(Array(12).fill(101))
  })

  test('in a minute: one more is 429 with the time to wait; other addresses are served', async () => {
    for (let i = 0; i < limits.maxHandshakesPerIp; i++) await close(await handshake('203.0.113.77'))
    const more = await handshake('203.0.113.77')
    expect(more.status).toBe(429)
    expect(more.retryAfter).toBeGreaterThan(30)
    expect(more.retryAfter).toBeLessThanOrEqual(60)
    expect((await handshake('203.0.113.78')).status).toBe(101)
    expect(await reached('handshakes_per_ip')).toBe(1)
  })

  test('to the node: one more is 503', async () => {
    const all = await Promise.all(
      Array.from({ length: limits.maxConnections - 1 }, (_, i) => handshake(`198.51.100.${i}`)),
    )
    expect(all.every(({ status }) => status === 101)).toBe(true)
    const more = await handshake('198.51.100.200')
    expect(more.status).toBe(503)
    expect(more.retryAfter).toBeGreaterThan(0)
    expect(await reached('connections')).toBe(1)
    honest.type('!')
    await honest.saved()
    if (all[0] !== undefined) await close(all[0])
    expect((await handshake('198.51.100.201')).status).toBe(101)
  })

  test('of a user: one more is closed with 4529 in every dialect; the others stay, and so do other users', async () => {
    const token = await tokenOf('busy', 'office')
    const [first, ...others] = await Promise.all([1, 2, 3].map(() => open('busy', 'office')))
    const more = await WeftBot.connect(server.wsUrl)
    more.hello(token)
    const error = await more.next('error')
    expect(error).toMatchObject({ request: null, code: 'too_many_connections' })
    expect(error.retryAfter).toBeGreaterThan(0)
    expect(await within(more.closed, 'the close')).toMatchObject({ code: 4529 })
    const stock = await YjsRaw.connect(server.wsUrl, `r?token=${token}`)
    expect(await within(stock.closed, 'the close')).toMatchObject({ code: 4529 })
    const clients = new HocuspocusClients(`${server.wsUrl}/hocuspocus`)
    const codes: number[] = []
    clients.open('r', { token }).socket.on('close', ({ event }: { event: { code: number } }) => {
      codes.push(event.code)
    })
    await until(() => codes.length > 0, 'the close')
    clients.destroy()
    expect(codes[0]).toBe(4529)
    expect(await reached('connections_per_user')).toBeGreaterThanOrEqual(3)
    const other = await open('calm', 'office')
    // The same name in another tenant is another user.
    const namesake = await open('busy', 'elsewhere')
    for (const bot of [...others, other, namesake]) await bot.flush()
    await first?.close()
    await open('busy', 'office')
  })

  test('of a tenant: one more is closed with 4529; other tenants are served', async () => {
    const crowd = await Promise.all([1, 2, 3, 4, 5, 6].map((i) => open(`user ${i}`, 'crowd')))
    const more = await WeftBot.connect(server.wsUrl)
    more.hello(await tokenOf('user 7', 'crowd'))
    expect(await within(more.closed, 'the close')).toMatchObject({ code: 4529 })
    const village = await open('user 7', 'village')
    expect(await reached('connections_per_tenant')).toBe(1)
    for (const bot of [...crowd, village]) await bot.flush()
  })
})

describe('P75: a connection that sends too fast', () => {
  const ping = encodeClientFrame({ type: 'ping', id: 1 })

  test('is warned with a time to wait, and then closed with 4529; what came before is committed', async () => {
    const bot = await someone()
    const room = await bot.join('fast')
    room.type('kept')
    for (let i = 0; i < 1_000; i++) bot.raw(ping)
    const warning = await bot.next('error')
    expect(warning).toMatchObject({ request: null, code: 'rate_limited' })
    expect(warning.retryAfter).toBeGreaterThan(0)
    expect(await bot.next('error')).toMatchObject({ code: 'rate_limited' })
    expect(await within(bot.closed, 'the close')).toMatchObject({ code: 4529 })
    expect(bot.frames.filter(({ type }) => type === 'error')).toHaveLength(2)
    const pongs = bot.frames.filter(({ type }) => type === 'pong').length
    expect(pongs).toBeGreaterThan(300)
    expect(pongs).toBeLessThan(500)
    const late = await open('late', `tenant ${users}`)
    expect((await late.join('fast')).text).toBe('kept')
    expect(await reached('rate')).toBe(1)
  })

  test('in bytes, is closed as well', async () => {
    const bot = await someone()
    const large = encodeValue([99, new Uint8Array(90_000)])
    for (let i = 0; i < 10; i++) bot.raw(large)
    expect(await within(bot.closed, 'the close')).toMatchObject({ code: 4529 })
  })

  test('after HELLO or without it, in pings of the WebSocket too', async () => {
    const { socket } = await handshake()
    const closed = new Promise<number>((resolve) => socket?.once('close', resolve))
    for (let i = 0; i < 1_000; i++) socket?.ping()
    expect(await within(closed, 'the close')).toBe(4529)
  })

  test('as a stock client, gets the close alone', async () => {
    const stock = await YjsRaw.open(server.wsUrl, `fast?token=${await tokenOf(`user ${++users}`)}`)
    for (let i = 0; i < 1_000; i++) stock.raw(new Uint8Array([3]))
    expect(await within(stock.closed, 'the close')).toMatchObject({ code: 4529 })
  })
})

describe('P76: a document that is full', () => {
  /** How the server refuses more of somebody. */
  const refusal = async (tenant: string): Promise<string> => {
    const bot = await open('another', tenant)
    const room = await bot.join('full')
    room.type('y'.repeat(10_000))
    const { code } = await bot.next('nack')
    await bot.close()
    return code
  }

  test('takes deletions only, keeps what it has, and grows again once it is smaller', async () => {
    const bot = await someone()
    const tenant = `tenant ${users}`
    const room = await bot.join('full')
    room.type('x'.repeat(15_000))
    await room.saved()
    // Until a compaction has told how large it is, it is `overloaded`.
    await until(async () => (await refusal(tenant)) === 'document_full', 'its size is known')
    const reader = await open('reader', tenant)
    const read = await reader.join('full')
    expect(read.text).toBe('x'.repeat(15_000))

    const stock = await YjsRaw.open(server.wsUrl, `full?token=${await tokenOf('stock', tenant)}`)
    stock.type('z'.repeat(10_000))
    expect(await within(stock.closed, 'the close')).toMatchObject({ code: 4413 })
    expect(await reached('document')).toBe(2)

    read.edit((text) => text.delete(100, 14_900))
    await read.saved()
    // A room that nobody is in is compacted.
    await Promise.all([bot.close(), reader.close()])
    await until(() => server.server.openRooms === 1, 'the room has closed')
    const writer = await open('writer', tenant)
    const again = await writer.join('full')
    again.type('w'.repeat(10_000))
    await again.saved()
    expect(again.text).toBe('x'.repeat(100) + 'w'.repeat(10_000))
  })
})
