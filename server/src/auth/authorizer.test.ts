import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FairShares } from '../tenants/index.js'
import { Authority } from './authority.js'
import { authorizeByUrl, signatureOf } from './authorize-url.js'
import { Authorizer, type Authorize, type AuthorizeAnswer, type AuthorizeRequest } from './authorizer.js'
import { accessOf, readPermissions } from './permissions.js'
import { Revocations } from './revocations.js'
import type { Identity } from './types.js'

const ada: Identity = {
  user: 'ada',
  name: 'Ada',
  tenant: 't',
  issued: 1_000,
  expires: null,
  granted: (room) => (room === 'mine' ? (readPermissions(['events']) ?? null) : null),
}

const authorizer = (
  authorize: Authorize,
  options: { timeoutMs?: number; cacheMs?: number; shares?: FairShares } = {},
) => {
  const failures: unknown[] = []
  const made = new Authorizer(authorize, {
    timeoutMs: 1_000,
    cacheMs: 60_000,
    ...options,
    failed: (error) => void failures.push(error),
  })
  return { made, failures }
}

/** Answers one after the other, when the test says so. */
const scripted = (): {
  authorize: Authorize
  asked: AuthorizeRequest[]
  answer(given: AuthorizeAnswer): Promise<void>
} => {
  const waiting: ((answer: AuthorizeAnswer) => void)[] = []
  const asked: AuthorizeRequest[] = []
  return {
    asked,
    authorize: (request) => {
      asked.push(request)
      return new Promise((resolve) => waiting.push(resolve))
    },
    answer: async (given) => {
      await new Promise(setImmediate)
      waiting.shift()?.(given)
      await new Promise(setImmediate)
    },
  }
}

describe('the authorization hook', () => {
  test('I7: however many rooms of one tenant it is asked about, and has answered, others are asked about and kept', async () => {
    const { asked, authorize, answer } = scripted()
    const { made } = authorizer(authorize, { shares: new FairShares(50) })
    const blue: Identity = { ...ada, tenant: 'blue' }
    const kept = made.ask(blue, 'calm')
    await answer('write')
    await kept
    let refused = 0
    const open: unknown[] = []
    for (let i = 0; i < 1_000; i++) {
      try {
        open.push(made.ask(ada, `room ${i}`))
      } catch (error) {
        expect(error).toMatchObject({ code: 'overloaded' })
        refused++
      }
    }
    expect([open.length, refused]).toEqual([500, 500])
    expect(made.ask(blue, 'calm')).toBe(readPermissions('write'))
    expect(made.ask(blue, 'another')).toBeInstanceOf(Promise)
    await answer(null)
    expect(asked.at(-1)).toMatchObject({ tenant: 'blue', room: 'another' })
    for (let i = 0; i <= open.length; i++) await answer(null)
    const many = authorizer(() => 'read', { shares: new FairShares(50) }).made
    await many.ask(blue, 'calm')
    for (let i = 0; i < 10_000; i++) await many.ask(ada, `room ${i}`)
    expect(many.ask(blue, 'calm')).toBe(readPermissions('read'))
    expect(many.ask(ada, 'room 9999')).toBe(readPermissions('read'))
  })

  test('I8: what is taken while a question is open counts for it, also when the hook failed in between', async () => {
    const { asked, authorize, answer } = scripted()
    const { made } = authorizer((request) => {
      if (request.room === 'broken') throw new Error('the hook fails')
      return authorize(request)
    })
    const early = made.ask(ada, 'r')
    await new Promise(setImmediate)
    made.forget('t', 'ada', null)
    await expect(made.ask(ada, 'broken')).rejects.toMatchObject({ code: 'internal' })
    await answer('write')
    made.forget('t', 'ada', null)
    await answer('write')
    await answer('read')
    expect(await early).toBe(readPermissions('read'))
    expect(asked).toHaveLength(3)
  })

  test('it hears who wants in, and what the token grants', async () => {
    const { asked, authorize, answer } = scripted()
    const { made } = authorizer(authorize)
    const answered = made.ask(ada, 'mine')
    await answer(['write'])
    expect(await answered).toBe(readPermissions(['write']))
    expect(asked).toEqual([
      { user: 'ada', name: 'Ada', tenant: 't', room: 'mine', token: ['read', 'events'] },
    ])
  })

  test.each<[string, Authorize]>([
    [
      'throws',
      () => {
        throw new Error('a fault of the application')
      },
    ],
    ['rejects', () => Promise.reject(new Error('a fault of the application'))],
    ['hangs', () => new Promise<never>(() => undefined)],
    ['answers with a number', () => 1 as never],
    ['answers with an object', () => ({ grant: 'write' }) as never],
    ['answers with a list of numbers', () => [1] as never],
  ])('I8: one that %s grants nothing; the client may try again', async (_name, authorize) => {
    const { made, failures } = authorizer(authorize, { timeoutMs: 20 })
    await expect(made.ask(ada, 'r')).rejects.toMatchObject({ name: 'ProtocolError', code: 'internal' })
    await expect(made.ask(ada, 'r')).rejects.toMatchObject({ code: 'internal' })
    // Once until it goes well again.
    expect(failures).toHaveLength(1)
  })

  test.each<[AuthorizeAnswer]>([[null], [[]], ['moderator' as never], [['moderator'] as never]])(
    'I8: the answer %j is nothing',
    async (given) => {
      expect(await authorizer(() => given).made.ask(ada, 'r')).toBeNull()
    },
  )

  test('an answer counts for a while; many who ask at once are one question', async () => {
    const { asked, authorize, answer } = scripted()
    const { made } = authorizer(authorize)
    const [first, second] = [made.ask(ada, 'r'), made.ask(ada, 'r')]
    await answer('read')
    expect(await first).toBe(await second)
    expect(made.ask(ada, 'r')).toBe(readPermissions('read'))
    expect(asked).toHaveLength(1)
    void made.ask(ada, 'other')
    void made.ask({ ...ada, tenant: 'u' }, 'r')
    void made.ask({ ...ada, user: 'bob' }, 'r')
    for (let i = 0; i < 3; i++) await answer(null)
    expect(asked).toHaveLength(4)
  })

  test('without a cache everybody is asked for anew', async () => {
    const { asked, authorize, answer } = scripted()
    const { made } = authorizer(authorize, { cacheMs: 0 })
    for (let i = 1; i <= 3; i++) {
      const answered = made.ask(ada, 'r')
      await answer('read')
      await answered
      expect(asked).toHaveLength(i)
    }
  })

  test('what was answered before a change counts no more, nor what is being answered', async () => {
    const { asked, authorize, answer } = scripted()
    const { made } = authorizer(authorize)
    const early = made.ask(ada, 'r')
    await new Promise(setImmediate)
    made.forget('t', 'ada', 'r')
    const late = made.ask(ada, 'r')
    await answer('write')
    await answer('read')
    expect(await early).toBe(readPermissions('read'))
    expect(await late).toBe(readPermissions('read'))
    expect(asked).toHaveLength(2)
    made.forget('t', 'ad', null)
    made.forget('t', 'ada', 'r2')
    expect(made.ask(ada, 'r')).toBe(readPermissions('read'))
    made.forget('t', 'ada', null)
    expect(made.ask(ada, 'r')).toBeInstanceOf(Promise)
    await answer(null)
  })

  test('P49: what was granted while it was asked counts before its answer', async () => {
    const { authorize, answer } = scripted()
    const { made } = authorizer(authorize)
    const revocations = new Revocations()
    const verify = () => Promise.resolve(ada)
    const admission = new Authority({ open: false, verify }, revocations, made)
    const permitted = admission.permit(ada, 'r')
    await new Promise(setImmediate)
    revocations.note({ do: 'grant', tenant: 't', user: 'ada', room: 'r', permissions: null, at: 2_000 })
    await answer('write')
    expect(await permitted).toBeNull()
    // A token made later is the application's newer word.
    const later = { ...ada, issued: 2_000 }
    expect(admission.permit(later, 'r')).toBe(readPermissions('write'))
  })
})

describe('P48, P49: what was decided since a token was made', () => {
  const revocations = new Revocations()
  const grant = (at: number, word: 'read' | 'write' | null) =>
    revocations.note({
      do: 'grant',
      tenant: 't',
      user: 'ada',
      room: 'r',
      permissions: readPermissions(word ?? []) ?? null,
      at,
    })
  const granted = (issued: number | null): string | null | undefined => {
    const found = revocations.granted({ ...ada, issued }, 'r')
    return found === null || found === undefined ? found : accessOf(found)
  }

  test('the newest counts, for tokens made before it and those that do not say', () => {
    expect(grant(2_000, 'read')).toBe(true)
    expect(grant(3_000, null)).toBe(true)
    expect([grant(2_500, 'write'), grant(3_000, 'write')]).toEqual([false, false])
    expect([granted(2_999), granted(3_000), granted(null)]).toEqual([null, undefined, null])
    expect(grant(4_000, 'write')).toBe(true)
    expect([granted(2_999), granted(3_999), granted(4_000)]).toEqual(['write', 'write', undefined])
    expect(revocations.granted({ ...ada, tenant: 'u' }, 'r')).toBeUndefined()
    expect(revocations.granted({ ...ada, user: null }, 'r')).toBeUndefined()
    expect(revocations.granted(ada, 'r2')).toBeUndefined()
  })

  test('a disconnected user is refused with older tokens, until that is forgotten', () => {
    revocations.note({ do: 'disconnect', tenant: 't', user: 'ada', final: false, at: 5_000 })
    expect(revocations.refusal({ ...ada, issued: 4_999 })?.code).toBe('token_expired')
    expect(revocations.refusal({ ...ada, issued: null })?.code).toBe('token_expired')
    expect(revocations.refusal({ ...ada, issued: 5_000 })).toBeNull()
    revocations.note({ do: 'disconnect', tenant: 't', user: 'ada', final: true, at: 6_000 })
    expect(revocations.refusal({ ...ada, issued: 5_000 })?.code).toBe('forbidden')
    revocations.forgetBefore(6_000)
    expect(revocations.refusal({ ...ada, issued: 5_000 })?.code).toBe('forbidden')
    expect(granted(1)).toBeUndefined()
    revocations.forgetBefore(6_001)
    expect(revocations.refusal(ada)).toBeNull()
  })
})

describe('AUTHORIZE_URL', () => {
  const secret = 'the secret of AUTHORIZE_URL, for tests'
  const request: AuthorizeRequest = { user: 'ada', name: null, tenant: '', room: 'naïve ☃', token: [] }
  let server: Server
  let url: string
  let heard: { headers: IncomingHttpHeaders; body: string }
  let status: number
  let answer: string

  beforeAll(async () => {
    server = createServer((incoming, response) => {
      let body = ''
      incoming.setEncoding('utf8').on('data', (part: string) => (body += part))
      incoming.on('end', () => {
        heard = { headers: incoming.headers, body }
        if (answer === '') return
        response.writeHead(status, { location: '/elsewhere' }).end(answer)
      })
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/authorize`
  })
  afterAll(() => {
    server.closeAllConnections()
    server.close()
  })

  const ask = (given: string, code = 200, timeoutMs = 5_000): Promise<AuthorizeAnswer> => {
    answer = given
    status = code
    return Promise.resolve(authorizeByUrl({ url, secret, timeoutMs })(request))
  }

  test('the request says who wants in, and is signed', async () => {
    expect(await ask('{"grant":["read","presence"],"more":1}')).toEqual(['read', 'presence'])
    expect(JSON.parse(heard.body)).toEqual(request)
    const signature = String(heard.headers['weft-signature'])
    const time = Number(/^t=(\d+),v1=[0-9a-f]{64}$/.exec(signature)?.[1])
    expect(Math.abs(time - Date.now() / 1000)).toBeLessThan(10)
    expect(signature).toBe(signatureOf(secret, time, heard.body))
    expect(await ask('{"grant":null}')).toBeNull()
  })

  test('the signature is the HMAC of the time, a dot and the body', () => {
    // openssl: printf '1790000000.{}' | openssl dgst -sha256 -hmac key
    expect(signatureOf('key', 1_790_000_000, '{}')).toMatch(/^t=1790000000,v1=[0-9a-f]{64}$/)
    expect(signatureOf('key', 1, '{}')).not.toBe(signatureOf('key', 2, '{}'))
    expect(signatureOf('key', 1, '{}')).not.toBe(signatureOf('kex', 1, '{}'))
  })

  test.each<[string, string, number]>([
    ['another status', '{"grant":"write"}', 403],
    ['a status without content', 'x', 500],
    ['a redirect', '{"grant":"write"}', 302],
    ['no JSON', '<html>', 200],
    ['JSON that is no object', '"write"', 200],
    ['an object without a grant', '{"access":"write"}', 200],
    ['a very long answer', `{"grant":"write","more":"${'x'.repeat(20_000)}"}`, 200],
  ])('I8: %s is a failure', async (_name, given, code) => {
    await expect(ask(given, code)).rejects.toThrow()
  })

  test('I8: so is no answer in time, and nobody there', async () => {
    await expect(ask('', 200, 50)).rejects.toThrow()
    await expect(
      Promise.resolve(authorizeByUrl({ url: 'http://127.0.0.1:1/', secret, timeoutMs: 1_000 })(request)),
    ).rejects.toThrow()
  })
})
