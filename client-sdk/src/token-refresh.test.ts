import { CloseCode } from '@weft/protocol'
import { describe, expect, test } from 'vitest'
import { harness, settle } from './testing/harness.js'
import { expiryOf } from './token-refresh.js'
import type { FakeClock } from './testing/fake-clock.js'

const part = (value: unknown): string =>
  btoa(typeof value === 'string' ? value : JSON.stringify(value))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')

let tokens = 0
/** A token that expires so many milliseconds from now; no two are the same. */
const tokenFor = (clock: FakeClock, ms: number): string =>
  `${part({ alg: 'HS256' })}.${part({ exp: (clock.date() + ms) / 1_000, jti: ++tokens })}.c2lnbmF0dXJl`

describe('the expiry of a token', () => {
  test.each([
    ['a JSON Web Token', `x.${part({ exp: 1_700_000_000 })}.y`, 1_700_000_000_000],
    ['one with letters of base64url', `x.${part({ exp: 7, name: '>>>???ÿÿÿ' })}.y`, 7_000],
    ['one that does not expire', `x.${part({ sub: 'ada' })}.y`, null],
    ['one whose exp is no number', `x.${part({ exp: '7' })}.y`, null],
    ['one whose claims are no object', `x.${part('7')}.y`, null],
    ['a word', 'secret', null],
    ['two parts', `x.${part({ exp: 7 })}`, null],
    ['what is not base64', 'x.%%%.y', null],
    ['what is not JSON', `x.${part('{exp')}.y`, null],
  ])('%s', (_, token, expiry) => {
    expect(expiryOf(token)).toBe(expiry)
  })
})

describe('a token is renewed on the running connection (P9)', () => {
  test('before it expires, again and again, with the same socket', async () => {
    const { server, client, clock, pass } = harness()
    const weft = client({ auth: () => tokenFor(clock, 600_000) })
    await settle()
    const auths = (): number => server.socket.sent('auth').length
    // A minute and, in the middle of the jitter, a quarter before the end.
    await pass(524_000)
    expect(auths()).toBe(0)
    await pass(2_000)
    expect(auths()).toBe(1)
    await pass(526_000)
    expect(auths()).toBe(2)
    expect(new Set(server.socket.sent('auth').map(({ token }) => token)).size).toBe(2)
    expect(server.sockets).toHaveLength(1)
    expect(weft.status).toBe('connected')
  })

  test('a short life is used for at least half of it, and no jitter makes it less', async () => {
    for (const random of [0, 0.999]) {
      const { server, client, clock, pass } = harness()
      client({ auth: () => tokenFor(clock, 30_000), random: () => random })
      await settle()
      await pass(14_900)
      expect(server.socket.sent('auth')).toHaveLength(0)
      await pass(5_200)
      expect(server.socket.sent('auth')).toHaveLength(1)
    }
  })

  test('auth() that fails, hangs or repeats itself is asked again; the server has the last word (4407)', async () => {
    const { server, client, clock, pass } = harness()
    const first = tokenFor(clock, 120_000)
    const answers: (() => string | Promise<string>)[] = [
      () => first,
      () => Promise.reject(new Error('no network')),
      () => new Promise<string>(() => undefined),
    ]
    const weft = client({ auth: () => (answers.shift() ?? (() => first))() })
    const errors: string[] = []
    weft.on('error', (error) => errors.push(`${error.code}: ${error.message}`))
    await settle()
    await pass(119_000)
    expect(server.socket.sent('auth')).toHaveLength(0)
    expect(errors.slice(0, 3)).toEqual([
      'auth_failed: auth() failed: no network',
      'auth_failed: auth() took too long',
      'auth_failed: auth() brought the token that is about to expire',
    ])
    // Bounded by backoff: not one after the other.
    expect(errors.length).toBeLessThan(12)
    expect(weft.status).toBe('connected')
    answers.push(() => tokenFor(clock, 120_000))
    server.socket.drop(CloseCode.tokenExpired)
    await pass(1_000)
    expect(weft.status).toBe('connected')
    expect(server.sockets).toHaveLength(2)
  })

  test('a server that does not answer AUTH is asked again', async () => {
    const { server, client, clock, pass } = harness()
    client({ auth: () => tokenFor(clock, 120_000) })
    await settle()
    server.autoWelcome = false
    await pass(100_000)
    expect(server.socket.sent('auth').length).toBeGreaterThan(1)
    expect(server.sockets).toHaveLength(1)
  })

  test('an answer of auth() for a connection that is gone is not used for the next', async () => {
    const { server, client, clock, pass } = harness()
    const answers: ((token: string) => void)[] = []
    let calls = 0
    client({
      auth: () => {
        calls++
        return calls === 1 ? tokenFor(clock, 60_000) : new Promise<string>((resolve) => answers.push(resolve))
      },
    })
    await settle()
    await pass(40_000)
    expect(calls).toBe(2)
    server.crash()
    await pass(1_000)
    expect(calls).toBe(3)
    answers[0]?.('stale')
    await settle()
    answers[1]?.('fresh')
    await settle()
    expect(server.sockets.flatMap((socket) => socket.sent('auth'))).toEqual([])
    expect(server.socket.sent('hello')).toMatchObject([{ token: 'fresh' }])
  })

  test.each([
    ['a token that is no JSON Web Token', () => 'secret', {}],
    ['a token that is a string, as there is no other', null, {}],
    ['refreshBefore 0', (clock: FakeClock) => tokenFor(clock, 60_000), { refreshBefore: 0 }],
    ['a clock by which it has expired', (clock: FakeClock) => tokenFor(clock, -60_000), {}],
  ])('%s: never', async (_, make, timing) => {
    const { server, client, clock, pass } = harness()
    let calls = 0
    const auth = (): string => (calls++, make?.(clock) ?? '')
    const weft = client({ auth: make === null ? tokenFor(clock, 60_000) : auth, timing })
    await settle()
    await pass(600_000)
    expect(server.socket.sent('auth')).toEqual([])
    expect(calls).toBeLessThan(2)
    expect(weft.status).toBe('connected')
  })

  test('P80: what is not saved is kept while the client may only read, and sent when it may write again', async () => {
    const { server, client } = harness()
    const room = client({ auth: () => 'token' }).room('a')
    await room.synced()
    const told: unknown[] = []
    room.on('access', (access) => told.push(access))
    room.on('error', ({ code, message }) => told.push(`${code}: ${message}`))
    room.on('rejected', () => told.push('rejected'))
    server.refuse = () => {
      server.socket.deliver({ type: 'access', room: 1, access: 'read', message: 'why' })
      return 'forbidden'
    }
    room.doc.getText('t').insert(0, 'under way ')
    await settle()
    room.doc.getText('t').insert(0, 'later ')
    await settle()
    expect(server.socket.sent('update')).toHaveLength(1)
    expect([room.access, room.unsaved, room.status]).toEqual(['read', 2, 'live'])
    server.refuse = () => null
    server.socket.deliver({ type: 'access', room: 1, access: 'write', message: '' })
    await settle()
    await room.saved()
    expect(told).toEqual(['read', 'forbidden: why', 'write'])
    expect(room.unsaved).toBe(0)
  })

  test('a room that the old token did not grant is tried again with the new one', async () => {
    const { server, client, clock, pass } = harness()
    const weft = client({ auth: () => tokenFor(clock, 60_000) })
    const room = weft.room('a')
    await room.synced()
    const told: unknown[] = []
    room.on('access', (access) => told.push(access))
    server.socket.deliver({ type: 'left', room: 1, code: 'forbidden', message: '' })
    server.forget(server.socket)
    await settle()
    expect([room.status, room.access]).toEqual(['denied', null])
    await pass(50_000)
    expect([room.status, room.access]).toEqual(['live', 'write'])
    expect(told).toEqual([null, 'write'])
    expect(server.sockets).toHaveLength(1)
  })
})
