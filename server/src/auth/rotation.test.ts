/* Several keys at once, and keys that come and go. */
import { createServer, type Server } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { exportJWK, exportSPKI, generateKeyPair, SignJWT, type CryptoKey, type JWK } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { inSeconds, makeToken } from '../testing/tokens.js'
import { createAuthenticator } from './jwt.js'

const sign = (key: CryptoKey, alg: string, kid?: string): Promise<string> =>
  new SignJWT({})
    .setProtectedHeader({ alg, ...(kid === undefined ? {} : { kid }) })
    .setSubject('ada')
    .sign(key)

describe('several keys', () => {
  const old = 'the secret of last year, 32 bytes or more'
  const recent = 'the secret of this year, 32 bytes or more'

  test('P8: JWT_SECRET: any of its lines, and no other', async () => {
    const auth = await createAuthenticator({ jwtSecret: `${recent}\n${old}\n` })
    for (const secret of [old, recent])
      expect((await auth.verify(await makeToken({}, { secret }))).user).toBe('ada')
    for (const secret of [`${recent}\n${old}`, 'x'.repeat(32)]) {
      await expect(auth.verify(await makeToken({}, { secret }))).rejects.toMatchObject({
        code: 'unauthorized',
      })
    }
    // Which key it is that verifies says nothing about what it says.
    const expired = await makeToken({}, { secret: old, expires: inSeconds(-60) })
    await expect(auth.verify(expired)).rejects.toMatchObject({ code: 'token_expired' })
  })

  test('I8: each line must be long enough', async () => {
    await expect(createAuthenticator({ jwtSecret: `${recent}\nshort` })).rejects.toThrow(
      /JWT_SECRET .* a line/,
    )
    await expect(createAuthenticator({ jwtSecret: '\n' })).rejects.toThrow(/JWT_SECRET/)
  })

  test('P8: JWT_PUBLIC_KEY: a bundle of keys of all kinds; each verifies its own algorithms', async () => {
    const pairs = await Promise.all(
      ['RS256', 'RS256', 'ES256', 'ES384', 'EdDSA'].map(async (alg) => ({
        alg,
        ...(await generateKeyPair(alg)),
      })),
    )
    const pems = await Promise.all(pairs.map(({ publicKey }) => exportSPKI(publicKey)))
    const auth = await createAuthenticator({ jwtPublicKey: pems.join('\n') })
    for (const { alg, privateKey } of pairs) {
      expect((await auth.verify(await sign(privateKey, alg))).user).toBe('ada')
    }
    const other = await generateKeyPair('ES256')
    await expect(auth.verify(await sign(other.privateKey, 'ES256'))).rejects.toMatchObject({
      code: 'unauthorized',
    })
    // Any of the keys as if it were a secret.
    for (const secret of [...pems, pems.join('\n')]) {
      await expect(auth.verify(await makeToken({}, { secret }))).rejects.toMatchObject({
        code: 'unauthorized',
      })
    }
    await expect(
      createAuthenticator({
        jwtPublicKey: `${pems.join('')}-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----`,
      }),
    ).rejects.toThrow(/JWT_PUBLIC_KEY/)
  })
})

describe('times', () => {
  test.each([
    [5_000, -3, true],
    [1_000, -3, false],
    [60_000, -30, true],
  ])('P8: JWT_CLOCK_TOLERANCE_MS %d', async (jwtClockToleranceMs, seconds, good) => {
    const auth = await createAuthenticator({ jwtSecret: 'x'.repeat(32), jwtClockToleranceMs })
    const token = await makeToken({}, { secret: 'x'.repeat(32), expires: inSeconds(seconds) })
    const verified = auth.verify(token)
    if (good) expect((await verified).user).toBe('ada')
    else await expect(verified).rejects.toMatchObject({ code: 'token_expired' })
  })
})

describe('JWT_JWKS_URL', () => {
  let server: Server
  let url: string
  let keys: JWK[] | null
  let fetched: number

  beforeAll(async () => {
    server = createServer((_request, response) => {
      fetched++
      if (keys === null) response.writeHead(503).end()
      else response.end(JSON.stringify({ keys }))
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  })
  beforeEach(() => {
    keys = []
    fetched = 0
  })
  afterAll(() => void server.close())

  const makeKey = async (kid: string): Promise<{ jwk: JWK; token: string }> => {
    const { publicKey, privateKey } = await generateKeyPair('ES256')
    return {
      jwk: { ...(await exportJWK(publicKey)), kid, alg: 'ES256' },
      token: await sign(privateKey, 'ES256', kid),
    }
  }
  const [unauthorized, later] = [{ code: 'unauthorized' }, { code: 'internal' }]

  test('P8: a new key is fetched when a token names it, once a cool-down; meanwhile the token may come again', async () => {
    const [a, b] = [await makeKey('a'), await makeKey('b')]
    keys = [a.jwk]
    const auth = await createAuthenticator({ jwtJwksUrl: url, jwtJwksCooldownMs: 60_000 })
    await auth.verify(a.token)
    keys = [b.jwk]
    await expect(auth.verify(b.token)).rejects.toMatchObject(later)
    expect(fetched).toBe(1)
    const quick = await createAuthenticator({ jwtJwksUrl: url, jwtJwksCooldownMs: 0 })
    await quick.verify(b.token)
    await expect(quick.verify(a.token)).rejects.toMatchObject(unauthorized)
    keys = [a.jwk, b.jwk]
    await quick.verify(a.token)
    await quick.verify(b.token)
  })

  test('P8: a flood of tokens with unknown keys makes one fetch', async () => {
    const [a, b] = [await makeKey('a'), await makeKey('b')]
    keys = [a.jwk]
    const auth = await createAuthenticator({ jwtJwksUrl: url })
    await expect(auth.verify(b.token)).rejects.toMatchObject(unauthorized)
    for (let i = 0; i < 50; i++) await expect(auth.verify(b.token)).rejects.toMatchObject(later)
    expect(fetched).toBe(1)
    await auth.verify(a.token)
  })

  test('P8: down at the start: nothing is accepted, and it is not asked for every token; then it is there', async () => {
    const { jwk, token } = await makeKey('a')
    keys = null
    const down = await createAuthenticator({ jwtJwksUrl: url })
    for (let i = 0; i < 20; i++) await expect(down.verify(token)).rejects.toMatchObject(later)
    expect(fetched).toBe(1)
    const auth = await createAuthenticator({ jwtJwksUrl: url, jwtJwksCooldownMs: 0 })
    await expect(auth.verify(token)).rejects.toMatchObject(later)
    keys = [jwk]
    await auth.verify(token)
  })

  test('P8: down later: known keys count until the cache is over, and then none does', async () => {
    const { jwk, token } = await makeKey('a')
    keys = [jwk]
    const auth = await createAuthenticator({ jwtJwksUrl: url, jwtJwksCooldownMs: 0 })
    await auth.verify(token)
    keys = null
    await auth.verify(token)
    await expect(auth.verify((await makeKey('b')).token)).rejects.toMatchObject(later)
    const brief = await createAuthenticator({ jwtJwksUrl: url, jwtJwksCooldownMs: 0, jwtJwksCacheMs: 0 })
    keys = [jwk]
    await brief.verify(token)
    keys = null
    await expect(brief.verify(token)).rejects.toMatchObject(later)
  })

  test('two keys of one name, or without any: each is tried', async () => {
    const [a, b] = [await makeKey('a'), await makeKey('a')]
    keys = [a.jwk, b.jwk]
    const auth = await createAuthenticator({ jwtJwksUrl: url })
    await auth.verify(a.token)
    await auth.verify(b.token)
    const other = await makeKey('a')
    await expect(auth.verify(other.token)).rejects.toMatchObject(unauthorized)
  })
})
