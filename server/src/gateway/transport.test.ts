/* HTTP and the handshake as a browser, a bot and an attacker see them. */
import { once } from 'node:events'
import { connect, createServer, Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import WebSocket from 'ws'
import { startServer, type TestServer } from '../testing/start-server.js'
import { makeToken, testSecret } from '../testing/tokens.js'
import { within } from '../testing/until.js'
import { WeftBot } from '../testing/weft-bot.js'

const app = 'https://app.example'
let server: TestServer

beforeAll(async () => {
  server = await startServer({
    jwtSecret: testSecret,
    allowedOrigins: [app],
    helloTimeoutMs: 300,
  })
})
afterAll(async () => {
  expect(server.faults).toEqual([])
  await server.dispose()
})

const get = (path: string, init: RequestInit = {}): Promise<Response> => fetch(server.httpUrl + path, init)

describe('HTTP', () => {
  test.each(['/', '/healthz', '/readyz', '/metrics', '/nothing'])(
    '%s cannot be framed or run',
    async (path) => {
      const { headers } = await get(path)
      expect(Object.fromEntries(headers)).toMatchObject({
        'x-content-type-options': 'nosniff',
        'x-frame-options': 'DENY',
        'referrer-policy': 'no-referrer',
        'cross-origin-resource-policy': 'same-origin',
      })
      expect(headers.get('content-security-policy')).toMatch(/default-src 'none'.*frame-ancestors 'none'/)
      // A promise that a server without TLS cannot keep.
      expect(headers.get('strict-transport-security')).toBeNull()
    },
  )

  test('there is no playground where it is off', async () => {
    expect((await get('/')).status).toBe(404)
    expect((await get('/main.js')).status).toBe(404)
  })

  test.each(['/healthz', '/readyz', '/metrics'])('%s is for pages of the allowed origins', async (path) => {
    const allowed = await get(path, { headers: { Origin: app } })
    expect(allowed.headers.get('access-control-allow-origin')).toBe(app)
    expect(allowed.headers.get('access-control-allow-credentials')).toBeNull()
    expect(allowed.headers.get('vary')).toBe('Origin')
    const other = await get(path, { headers: { Origin: 'https://evil.example' } })
    expect(other.headers.get('access-control-allow-origin')).toBeNull()
    const preflight = await get(path, { method: 'OPTIONS', headers: { Origin: app } })
    expect(preflight.headers.get('access-control-allow-methods')).toBe('GET')
    expect((await get(path, { method: 'OPTIONS', headers: { Origin: 'https://evil.example' } })).status).toBe(
      403,
    )
  })

  test('a body is nothing that any path takes', async () => {
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE'])
      expect((await get('/healthz', { method, body: 'x'.repeat(100_000) })).status).toBe(405)
  })
})

const dripped = Array<string>(40).fill('a')

/** Sends pieces, one after the other. @returns what came until the server closed, and after how long */
const raw = async (pieces: readonly string[], gapMs = 0): Promise<{ answer: string; ms: number }> => {
  const socket = connect(server.port, '127.0.0.1')
  let answer = ''
  socket.setEncoding('utf8').on('data', (text: string) => (answer += text))
  socket.on('error', () => undefined)
  const closed = once(socket, 'close')
  await once(socket, 'connect')
  const start = performance.now()
  const rest = [...pieces]
  const send = (): void => {
    const piece = rest.shift()
    if (piece !== undefined && !socket.destroyed) socket.write(piece, () => setTimeout(send, gapMs))
  }
  send()
  await within(closed, 'the server closes', 25_000)
  return { answer, ms: performance.now() - start }
}
const request = (line: string, ...headers: string[]): string =>
  [line, 'Host: localhost', ...headers, '', ''].join('\r\n')

describe('requests that are too much', () => {
  test.each([
    ['a URL of 20 KB', request(`GET /${'a'.repeat(20_000)} HTTP/1.1`)],
    ['a header of 20 KB', request('GET /healthz HTTP/1.1', `A: ${'a'.repeat(20_000)}`)],
    [
      'a hundred and fifty headers',
      request('GET /healthz HTTP/1.1', ...Array.from({ length: 150 }, (_, i) => `H${i}: a`)),
    ],
  ])('%s is 431', async (_, text) => expect((await raw([text])).answer).toMatch(/^HTTP\/1.1 431 /))

  test('half-sent requests, dripped ones and idle connections are gone after some ten seconds; others are served', async () => {
    const head = 'GET /healthz HTTP/1.1\r\nHost: localhost\r\nA: '
    const slow = Promise.all([
      raw([]),
      raw([head]),
      raw([head, ...dripped], 500),
      raw(['GET /v1/connect HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n']),
      raw([request('POST /healthz HTTP/1.1', 'Content-Length: 1000'), ...dripped], 500),
    ])
    expect((await get('/healthz')).status).toBe(200)
    for (const { ms } of await slow) expect(ms).toBeLessThan(20_000)
    expect((await get('/healthz')).status).toBe(200)
  }, 30_000)
})

describe('the handshake', () => {
  test('offers no compression, whatever the client asks for: a small frame stays small', async () => {
    const ws = new WebSocket(`${server.wsUrl}/v1/connect`, { perMessageDeflate: true, origin: app })
    await once(ws, 'open')
    expect(ws.extensions).toBe('')
    // A compressed frame (RSV1) that nobody agreed on ends the connection.
    const closed = once(ws, 'close')
    const socket: unknown = Reflect.get(ws, '_socket')
    if (!(socket instanceof Socket)) throw new Error('ws has changed')
    socket.write(Buffer.from([0xc2, 0x81, 0, 0, 0, 0, 0]))
    await within(closed, 'the close')
  })

  test('P8, P38: a cookie is no token', async () => {
    const token = await makeToken()
    const headers = { Cookie: `token=${token}; access_token=${token}; Authorization=${token}` }
    const stock = new WebSocket(`${server.wsUrl}/yjs/room`, { headers })
    const [code] = (await within(once(stock, 'close'), 'the close')) as [number]
    expect(code).toBe(4401)
  })

  test.each(['/v1/connect', '/hocuspocus'])(
    'P7, P63: %s is closed with 4508 when nothing is said',
    async (path) => {
      const ws = new WebSocket(server.wsUrl + path)
      const [code] = (await within(once(ws, 'close'), 'the close')) as [number]
      expect(code).toBe(4508)
      // One that speaks in time is left alone.
      const bot = await WeftBot.open(server.wsUrl, { token: await makeToken() })
      await bot.flush()
      bot.terminate()
    },
  )
})

test('P38, P7: a token that is not verified in time, since the keys do not come, is 4508 in every dialect', async () => {
  const keys = createServer(() => undefined)
  await new Promise<void>((resolve) => keys.listen(0, '127.0.0.1', resolve))
  const address = keys.address()
  if (address === null || typeof address === 'string') throw new Error('it listens on a port')
  const jwtJwksUrl = `http://127.0.0.1:${address.port}/keys`
  const waiting = await startServer({ jwtJwksUrl, helloTimeoutMs: 300 })
  const base64 = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const token = `${base64({ alg: 'RS256', kid: 'k' })}.${base64({ sub: 'ada' })}.AAAA`
  const stock = new WebSocket(`${waiting.wsUrl}/yjs/room?token=${token}`)
  const bot = await WeftBot.connect(waiting.wsUrl)
  bot.hello(token)
  const [code] = (await within(once(stock, 'close'), 'the close', 4_000)) as [number]
  expect(code).toBe(4508)
  expect(await within(bot.closed, 'the close', 4_000)).toMatchObject({ code: 4508 })
  expect(waiting.faults).toEqual([])
  await waiting.dispose()
  keys.close()
})
