import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import WebSocket from 'ws'
import { startServer, type TestServer } from '../testing/start-server.js'
import { testSecret } from '../testing/tokens.js'
import { isAllowedOrigin, isLoopbackHost } from './origins.js'

describe('origins', () => {
  test.each(['http://localhost:5173', 'https://localhost', 'http://127.0.0.2:1', 'http://[::1]:4400'])(
    '%s is this machine',
    (origin) => expect(isAllowedOrigin(origin, ['*'], true)).toBe(true),
  )
  test.each([
    'https://evil.example',
    'http://localhost.evil.example',
    'http://127.0.0.1.evil.example',
    'http://evil.example:127',
    'file://localhost',
    'null',
  ])('%s is not this machine', (origin) => {
    expect(isAllowedOrigin(origin, ['*'], true)).toBe(false)
    // With a key a page needs a token.
    expect(isAllowedOrigin(origin, ['*'], false)).toBe(true)
    expect(isAllowedOrigin(origin, ['https://app.example'], false)).toBe(false)
    expect(isAllowedOrigin(origin, [origin], true)).toBe(true)
  })
  test('hosts', () => {
    expect(['localhost:4400', '127.0.0.1', '[::1]:4400', 'LOCALHOST'].every(isLoopbackHost)).toBe(true)
    expect(['', 'evil.example:4400', '127.0.0.1.evil.example', '10.0.0.1'].some(isLoopbackHost)).toBe(false)
  })
})

/** The HTTP status of an upgrade. */
const upgrade = (server: TestServer, path: string, headers: Record<string, string>): Promise<number> =>
  new Promise((resolve, reject) => {
    const ws = new WebSocket(`${server.wsUrl}${path}`, { headers })
    ws.on('open', () => {
      ws.terminate()
      resolve(101)
    })
    ws.on('unexpected-response', (request, response) => {
      request.destroy()
      resolve(response.statusCode ?? 0)
    })
    ws.on('error', reject)
  })

describe('a server without a key', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startServer()
  })
  afterAll(() => server.dispose())

  test.each(['/v1/connect', '/yjs/room'])('%s is for pages of this machine', async (path) => {
    expect(await upgrade(server, path, {})).toBe(101)
    expect(await upgrade(server, path, { origin: 'http://localhost:5173' })).toBe(101)
    expect(await upgrade(server, path, { origin: 'https://evil.example' })).toBe(403)
    // DNS rebinding: the page's own name resolves to this machine, so that its origin and host agree.
    const rebound = `evil.example:${server.port}`
    expect(await upgrade(server, path, { origin: `http://${rebound}`, host: rebound })).toBe(403)
    expect(await upgrade(server, path, { host: rebound })).toBe(403)
  })
})

describe('a server with a key', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startServer({ jwtSecret: testSecret })
  })
  afterAll(() => server.dispose())

  test('pages need a token instead', async () => {
    expect(await upgrade(server, '/v1/connect', { origin: 'https://app.example', host: 'app.example' })).toBe(
      101,
    )
  })
})
