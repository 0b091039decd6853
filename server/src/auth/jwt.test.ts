import { createServer, type Server } from 'node:http'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { exportJWK, exportSPKI, generateKeyPair, SignJWT, UnsecuredJWT, type CryptoKey } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makeTempDir, type TempDir } from '../testing/temp-dir.js'
import { inSeconds, makeToken, testSecret } from '../testing/tokens.js'
import { grantedIn, readGrants } from './grants.js'
import { createAuthenticator } from './jwt.js'
import {
  accessOf,
  grantText,
  namesOf,
  parseGrantText,
  permissionNames,
  readPermissions,
} from './permissions.js'
import type { Identity } from './types.js'

const accessIn = (identity: Identity, room: string): string | null => {
  const granted = identity.granted(room)
  return granted === null ? null : accessOf(granted)
}

const bySecret = { jwtSecret: testSecret }

const sign = (key: CryptoKey, alg: string, kid?: string): Promise<string> =>
  new SignJWT({ rooms: { '*': 'read' } })
    .setProtectedHeader({ alg, ...(kid === undefined ? {} : { kid }) })
    .setSubject('ada')
    .sign(key)

/** With a good secret, whatever it says. */
const signed = (claims: Record<string, unknown>): Promise<string> =>
  new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(new TextEncoder().encode(testSecret))

describe('tokens by a secret', () => {
  test('a good one gives user, tenant, expiry and grants', async () => {
    const auth = await createAuthenticator(bySecret)
    const expires = inSeconds(60)
    const identity = await auth.verify(
      await makeToken({ 'a/*': 'write', b: ['read'] }, { user: 'bob', expires, tenant: 'acme' }),
    )
    expect(identity).toMatchObject({ user: 'bob', tenant: 'acme', expires: expires * 1000 })
    expect(['a/1', 'b', 'c'].map((room) => accessIn(identity, room))).toEqual(['write', 'read', null])
    expect(auth.open).toBe(false)
  })

  test.each<[string, () => Promise<string | null>, string]>([
    ['none', () => Promise.resolve(null), 'unauthorized'],
    ['an empty one', () => Promise.resolve(''), 'unauthorized'],
    ['no JWT', () => Promise.resolve('hello'), 'unauthorized'],
    ['three dots', () => Promise.resolve('..'), 'unauthorized'],
    ['a forged one', () => makeToken({}, { secret: 'another secret, of at least 32 bytes' }), 'unauthorized'],
    [
      'alg none',
      () => Promise.resolve(new UnsecuredJWT({ rooms: { '*': 'write' } }).setSubject('ada').encode()),
      'unauthorized',
    ],
    [
      'another algorithm',
      () =>
        new SignJWT({})
          .setProtectedHeader({ alg: 'HS512' })
          .setSubject('ada')
          .sign(new TextEncoder().encode(testSecret.repeat(2))),
      'unauthorized',
    ],
    [
      'one whose payload was changed',
      async () => {
        const [header, , signature] = (await makeToken()).split('.')
        const payload = Buffer.from(JSON.stringify({ sub: 'eve', rooms: { '*': 'write' } })).toString(
          'base64url',
        )
        return `${header}.${payload}.${signature}`
      },
      'unauthorized',
    ],
    ['an expired one', () => makeToken({}, { expires: inSeconds(-60) }), 'token_expired'],
    ['one that is not valid yet', () => signed({ sub: 'ada', nbf: inSeconds(60) }), 'unauthorized'],
    ['one whose expiry is a text', () => signed({ sub: 'ada', exp: 'tomorrow' }), 'unauthorized'],
    ['one whose time is a text', () => signed({ sub: 'ada', iat: 'today' }), 'unauthorized'],
    ['no claim sub', () => signed({ rooms: { '*': 'write' } }), 'unauthorized'],
    ['a user that is a number', () => signed({ sub: 1 }), 'unauthorized'],
    ['a tenant that is a number', () => signed({ sub: 'ada', tenant: 1 }), 'unauthorized'],
    ['an oversized one', () => makeToken({ ['x'.repeat(17_000)]: 'write' }), 'unauthorized'],
    ['no user', () => makeToken({}, { user: '' }), 'unauthorized'],
    ['a user with NUL', () => makeToken({}, { user: 'a\0' }), 'unauthorized'],
    ['a user that is too long', () => makeToken({}, { user: 'x'.repeat(257) }), 'unauthorized'],
    ['a tenant that is too long', () => makeToken({}, { tenant: 'x'.repeat(257) }), 'unauthorized'],
    ['grants that are a list', () => makeToken(['*'] as never), 'unauthorized'],
    ['a grant that is a number', () => makeToken({ '*': 1 }), 'unauthorized'],
  ])('P8: %s is refused', async (_name, token, code) => {
    const auth = await createAuthenticator(bySecret)
    await expect(auth.verify(await token())).rejects.toMatchObject({ name: 'ProtocolError', code })
  })

  test('issuer and audience must be those of the settings', async () => {
    const auth = await createAuthenticator({ ...bySecret, jwtAudience: 'weft' })
    await expect(auth.verify(await makeToken({}, { audience: 'other' }))).rejects.toMatchObject({
      code: 'unauthorized',
    })
    await expect(auth.verify(await makeToken())).rejects.toMatchObject({ code: 'unauthorized' })
    expect((await auth.verify(await makeToken({}, { audience: 'weft' }))).user).toBe('ada')
    const issued = await createAuthenticator({ ...bySecret, jwtIssuer: 'https://auth.example' })
    await expect(issued.verify(await makeToken())).rejects.toMatchObject({ code: 'unauthorized' })
  })

  test('an expiry in fractions, or beyond all times, is still an integer of the protocol', async () => {
    const auth = await createAuthenticator(bySecret)
    for (const expires of [inSeconds(60) + 0.123_456_7, 1e15]) {
      const identity = await auth.verify(await makeToken({}, { expires }))
      expect(Number.isSafeInteger(identity.expires)).toBe(true)
    }
  })
})

describe('tokens by a public key', () => {
  let dir: TempDir
  beforeAll(async () => {
    dir = await makeTempDir()
  })
  afterAll(() => dir.remove())

  test.each(['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA'])('%s, given as PEM or as a file', async (alg) => {
    const { publicKey, privateKey } = await generateKeyPair(alg)
    const pem = await exportSPKI(publicKey)
    const path = join(dir.path, `${alg}.pem`)
    await writeFile(path, pem)
    for (const jwtPublicKey of [pem, pem.replaceAll('\n', '\\n'), path]) {
      const auth = await createAuthenticator({ jwtPublicKey })
      expect(accessIn(await auth.verify(await sign(privateKey, alg)), 'x')).toBe('read')
    }
  })

  test('a token signed with the public key as if it were a secret is refused', async () => {
    const { publicKey } = await generateKeyPair('RS256')
    const jwtPublicKey = await exportSPKI(publicKey)
    const auth = await createAuthenticator({ jwtPublicKey })
    const confused = await makeToken({ '*': 'write' }, { secret: jwtPublicKey })
    await expect(auth.verify(confused)).rejects.toMatchObject({ code: 'unauthorized' })
  })
})

describe('tokens by a key set', () => {
  let keys: Server
  let url: string
  let answer: () => { status: number; body: string }

  beforeAll(async () => {
    keys = createServer((_request, response) => {
      const { status, body } = answer()
      response.writeHead(status, { 'content-type': 'application/json' }).end(body)
    })
    keys.listen(0, '127.0.0.1')
    await once(keys, 'listening')
    url = `http://127.0.0.1:${(keys.address() as AddressInfo).port}/jwks.json`
  })
  afterAll(() => {
    keys.closeAllConnections()
    keys.close()
  })

  test('its keys verify; others do not', async () => {
    const { publicKey, privateKey } = await generateKeyPair('ES256')
    const body = JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: 'one', alg: 'ES256' }] })
    answer = () => ({ status: 200, body })
    const auth = await createAuthenticator({ jwtJwksUrl: url })
    expect((await auth.verify(await sign(privateKey, 'ES256', 'one'))).user).toBe('ada')
    const other = await generateKeyPair('ES256')
    await expect(auth.verify(await sign(other.privateKey, 'ES256', 'one'))).rejects.toMatchObject({
      code: 'unauthorized',
    })
  })

  test.each<[string, { status: number; body: string }]>([
    ['fails', { status: 500, body: '' }],
    ['answers with something else', { status: 200, body: '<html>' }],
    ['answers with another JSON', { status: 200, body: '{"keys":1}' }],
  ])('a key server that %s is no fault of the token: the client may try again', async (_name, given) => {
    answer = () => given
    const { privateKey } = await generateKeyPair('ES256')
    const auth = await createAuthenticator({ jwtJwksUrl: url })
    await expect(auth.verify(await sign(privateKey, 'ES256', 'one'))).rejects.toMatchObject({
      code: 'internal',
    })
  })

  test('nor is one that is away', async () => {
    const { privateKey } = await generateKeyPair('ES256')
    const auth = await createAuthenticator({ jwtJwksUrl: 'http://127.0.0.1:1/jwks.json' })
    await expect(auth.verify(await sign(privateKey, 'ES256', 'one'))).rejects.toMatchObject({
      code: 'internal',
    })
  })
})

describe('I8: settings', () => {
  test.each([
    ['two keys', { jwtSecret: testSecret, jwtJwksUrl: 'https://x.example' }, /JWT_SECRET and JWT_JWKS_URL/],
    ['a short secret', { jwtSecret: 'x'.repeat(31) }, /JWT_SECRET must have at least 32 bytes/],
    ['a key file that is not there', { jwtPublicKey: '/none.pem' }, /JWT_PUBLIC_KEY/],
    ['a PEM that is no key', { jwtPublicKey: '-----BEGIN PUBLIC KEY-----\nx' }, /JWT_PUBLIC_KEY/],
    ['a key set that is no URL', { jwtJwksUrl: 'jwks.json' }, /JWT_JWKS_URL/],
    ['a key set in a file', { jwtJwksUrl: 'file:///jwks.json' }, /JWT_JWKS_URL/],
    ['an issuer without a key', { jwtIssuer: 'x' }, /JWT_ISSUER/],
  ])('%s', async (_name, options, sentence) => {
    await expect(createAuthenticator(options)).rejects.toThrow(sentence)
  })

  test('without a key everybody may do everything', async () => {
    const auth = await createAuthenticator({})
    expect(auth.open).toBe(true)
    const identity = await auth.verify(null)
    expect(identity).toMatchObject({ user: null, expires: null })
    expect(accessIn(identity, 'any')).toBe('write')
  })
})

describe('grants', () => {
  const read = ['read', 'presence', 'history']
  const write = ['read', 'write', 'presence', 'events', 'history']
  const all = [...permissionNames]
  const granted = (claim: unknown, room: string): string[] | null => {
    const permissions = grantedIn(readGrants(claim), room)
    return permissions === null ? null : namesOf(permissions)
  }

  test.each<[Record<string, unknown>, string, string[] | null]>([
    [{}, 'a', null],
    [{ a: 'read' }, 'a', read],
    [{ a: 'read' }, 'ab', null],
    [{ 'a*': 'read' }, 'ab', read],
    [{ '*': 'read', 'a/*': 'write' }, 'a/b', write],
    [{ 'a/*': 'write', '*': 'read' }, 'b', read],
    [{ 'a/*': 'write' }, 'a', null],
    [{ 'a*b': 'write' }, 'axb', null],
    [{ 'a*b': 'write' }, 'a*b', write],
    [{ a: 'admin' }, 'a', all],
    [{ a: 'comment' }, 'a', null],
    [{ '': 'write' }, '', write],
    [JSON.parse('{"__proto__":"write"}') as Record<string, unknown>, '__proto__', write],
    // A list picks one by one; each includes reading.
    [{ a: ['read'] }, 'a', ['read']],
    [{ a: ['presence', 'read'] }, 'a', ['read', 'presence']],
    [{ a: ['write'] }, 'a', ['read', 'write']],
    [{ a: ['events', 'comment'] }, 'a', ['read', 'events']],
    [{ a: ['admin'] }, 'a', all],
    [{ a: ['comment'] }, 'a', null],
    [{ a: [] }, 'a', null],
    [{ '*': ['history'], a: ['events'] }, 'a', ['read', 'events', 'history']],
  ])('%j for %j is %j', (claim, room, permissions) => {
    expect(granted(claim, room)).toEqual(permissions)
  })

  test('no claim grants nothing', () => {
    expect(granted(undefined, 'a')).toBeNull()
    expect(granted(null, 'a')).toBeNull()
  })

  test('as a text, and back: for the database and other nodes', () => {
    for (const grant of ['read', 'write', 'admin', ['read'], ['presence', 'events'], ['write', 'history']]) {
      const permissions = readPermissions(grant)
      if (permissions === undefined || permissions === null) throw new Error('no grant')
      expect(parseGrantText(grantText(permissions))).toBe(permissions)
    }
    for (const text of ['', 'comment', '[', '[1]', '["comment"]'])
      expect(parseGrantText(text)).toBeUndefined()
  })
})
