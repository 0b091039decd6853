/* Every way in with a token that is no good, on every path; and that nothing of any token is logged. */
import { pino } from 'pino'
import { generateKeyPair, exportSPKI, SignJWT, UnsecuredJWT, type CryptoKey } from 'jose'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createServer, type WeftServer } from '../server.js'
import { makeDataDir } from '../testing/data-dir.js'
import type { TempDir } from '../testing/temp-dir.js'
import { inSeconds } from '../testing/tokens.js'
import { within } from '../testing/until.js'
import { WeftBot } from '../testing/weft-bot.js'
import { YjsRaw } from '../testing/yjs-raw.js'

let dir: TempDir
let server: WeftServer
let wsUrl: string
let log = ''
let key: CryptoKey
let pem: string
const used = new Set<string>()

beforeAll(async () => {
  dir = await makeDataDir()
  const pair = await generateKeyPair('RS256', { extractable: true })
  key = pair.privateKey
  pem = await exportSPKI(pair.publicKey)
  server = await createServer({
    port: 0,
    dataDir: dir.path,
    docWorkers: 1,
    jwtPublicKey: pem,
    jwtIssuer: 'https://issuer.example',
    jwtAudience: 'weft',
    // Everything that it ever says.
    logger: pino({ level: 'trace' }, { write: (line: string) => void (log += line) }),
  })
  wsUrl = server.url.replace('http', 'ws')
})
afterAll(async () => {
  await server.close()
  await dir.remove()
})

const good = {
  sub: 'ada',
  iss: 'https://issuer.example',
  aud: 'weft',
  rooms: { '*': 'write' },
  exp: Math.floor(Date.now() / 1000) + 3_600,
}
const sign = (
  claims: Record<string, unknown>,
  alg = 'RS256',
  by: CryptoKey | Uint8Array = key,
): Promise<string> => new SignJWT({ ...good, ...claims }).setProtectedHeader({ alg, kid: 'k' }).sign(by)
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

test.each<[string, () => Promise<string>, number]>([
  ['a good one', () => sign({}), 0],
  ['no sub', () => sign({ sub: undefined }), 4401],
  ['a wrong sub', () => sign({ sub: { name: 'ada' } }), 4401],
  ['no iss', () => sign({ iss: undefined }), 4401],
  ['a wrong iss', () => sign({ iss: 'https://evil.example' }), 4401],
  ['no aud', () => sign({ aud: undefined }), 4401],
  ['a wrong aud', () => sign({ aud: ['other', 'more'] }), 4401],
  ['a wrong tenant', () => sign({ tenant: ['acme'] }), 4401],
  ['wrong rooms', () => sign({ rooms: 'all' }), 4401],
  ['no rooms', () => sign({ rooms: undefined }), 4403],
  ['other rooms', () => sign({ rooms: { other: 'write' } }), 4403],
  ['an expired one', () => sign({ exp: inSeconds(-60) }), 4407],
  ['one that is not valid yet', () => sign({ nbf: inSeconds(600) }), 4401],
  ['alg none', () => Promise.resolve(new UnsecuredJWT(good).encode()), 4401],
  ['the public key as a secret', () => sign({}, 'HS256', bytes(pem)), 4401],
  ['the public key as a secret, trimmed', () => sign({}, 'HS256', bytes(pem.trim())), 4401],
  ['another key', async () => sign({}, 'RS256', (await generateKeyPair('RS256')).privateKey), 4401],
  ['another kind of key', async () => sign({}, 'ES256', (await generateKeyPair('ES256')).privateKey), 4401],
  [
    'a signature of other claims',
    async () =>
      `${(await sign({ sub: 'eve' })).split('.').slice(0, 2).join('.')}.${(await sign({})).split('.')[2]}`,
    4401,
  ],
  ['no JWT', () => Promise.resolve('not.a.token'), 4401],
  ['an oversized one', () => sign({ more: 'x'.repeat(20_000) }), 4401],
])('P8, P38, P81: %s', async (name, make, code) => {
  const token = await make()
  used.add(token)
  const isLong = token.length > 16_384
  const bot = await WeftBot.connect(wsUrl)
  bot.hello(token)
  if (code === 0 || code === 4403) {
    await bot.next('welcome')
    if (code === 0) await bot.join('room')
    else expect(await bot.joinRefused('room')).toMatchObject({ code: 'forbidden' })
    await bot.close()
  } else {
    // A token beyond the bounds of its field is no HELLO (P45).
    expect((await within(bot.closed, 'the close')).code, name).toBe(isLong ? 4400 : code)
    expect(bot.frames.map(({ type }) => type)).toEqual(['error'])
  }
  // Neither fits in what a request's head may have: the server does not read on.
  if (isLong) return
  const stock = await YjsRaw.connect(wsUrl, `room?token=${token}`)
  if (code === 0) await stock.sync()
  else expect((await within(stock.closed, 'the close')).code).toBe(code)
  const header = await WeftBot.connect(wsUrl, { headers: { authorization: `Bearer ${token}` } })
  header.hello(null)
  if (code === 0 || code === 4403) await header.next('welcome')
  else expect((await within(header.closed, 'the close')).code).toBe(code)
  header.terminate()
  stock.terminate()
})

test('nothing of a token, or of a key, is logged, in metrics, or in the answers of HTTP', async () => {
  expect(used.size).toBeGreaterThan(15)
  expect(log.length).toBeGreaterThan(1_000)
  const metrics = await server.metrics()
  const [token = ''] = used
  const answers = await Promise.all(
    ['/', '/nothing', '/healthz', '/readyz'].map(async (path) =>
      (await fetch(`${server.url}${path}?token=${token}`)).text(),
    ),
  )
  for (const one of used) {
    for (const part of one.split('.').filter((text) => text.length > 24)) {
      for (const text of [log, metrics, ...answers]) expect(text.includes(part)).toBe(false)
    }
  }
})
