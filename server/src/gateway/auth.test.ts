/* Tokens and grants on the wire, in both dialects. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import WebSocket from 'ws'
import { WebsocketProvider } from 'y-websocket'
import * as Y from 'yjs'
import { encodeValue } from '@weft/protocol'
import { startServer, type TestServer } from '../testing/start-server.js'
import { inSeconds, makeToken, testSecret } from '../testing/tokens.js'
import { until, within } from '../testing/until.js'
import { WeftBot, type BotRoom } from '../testing/weft-bot.js'
import { YjsRaw } from '../testing/yjs-raw.js'

let server: TestServer
/** An honest writer in `room`. */
let honest: BotRoom

beforeAll(async () => {
  server = await startServer({
    jwtSecret: testSecret,
    allowedOrigins: ['https://app.example'],
    roomIdleMs: 0,
  })
  honest = await (await open(await makeToken())).join('room')
})
let edits = 0
afterEach(async () => {
  honest.type(`${++edits} `)
  await honest.saved()
  const late = await open(await makeToken())
  expect((await late.join('room')).text).toBe(honest.text)
  await late.close()
  expect(server.faults.slice(0, 3)).toEqual([])
})
afterAll(() => server.dispose())

const open = (token: string): Promise<WeftBot> => WeftBot.open(server.wsUrl, { token })
const raw = (path: string, token: string): Promise<YjsRaw> =>
  YjsRaw.connect(server.wsUrl, `${path}?token=${token}`)

describe('tokens', () => {
  const bad: [string, () => Promise<string | null>, string, number][] = [
    ['no token', () => Promise.resolve(null), 'unauthorized', 4401],
    ['a forged one', () => makeToken({}, { secret: 'x'.repeat(32) }), 'unauthorized', 4401],
    ['an expired one', () => makeToken({}, { expires: inSeconds(-60) }), 'token_expired', 4407],
  ]
  test.each(bad)(
    'P8: %s is told by an ERROR and a close, before WELCOME',
    async (_name, token, code, close) => {
      const bot = await WeftBot.connect(server.wsUrl)
      bot.hello(await token())
      bot.requestJoin('room')
      const error = await bot.next('error')
      expect(error).toMatchObject({ request: null, code })
      expect(await within(bot.closed, 'the close')).toEqual({ code: close, reason: error.message })
      expect(bot.frames).toEqual([error])
    },
  )

  test.each(bad)('P38: %s closes a stock client', async (_name, token, _code, close) => {
    const client = await raw('room', (await token()) ?? '')
    client.step1()
    expect((await within(client.closed, 'the close')).code).toBe(close)
    expect(client.messages).toEqual([])
  })

  test('P38: a stock client without a grant for its room closes with 4403', async () => {
    const client = await raw('room', await makeToken({ other: 'write' }))
    expect((await within(client.closed, 'the close')).code).toBe(4403)
  })

  test('P13: a room that the token does not grant is forbidden, and not made', async () => {
    const bot = await open(await makeToken({ 'mine/*': 'write' }))
    const rooms = server.server.openRooms
    expect(await bot.joinRefused('room')).toMatchObject({ code: 'forbidden' })
    expect(server.server.openRooms).toBe(rooms)
    await bot.join('mine/1')
    await bot.close()
  })

  test('WELCOME and EVENT name the user; rooms of another tenant are other rooms', async () => {
    const bob = await WeftBot.connect(server.wsUrl)
    bob.hello(await makeToken({ '*': 'write' }, { user: 'bob', tenant: 'acme' }))
    expect((await bob.next('welcome')).user).toBe('bob')
    const room = await bob.join('room')
    expect(room.text).toBe('')
    room.append('hi', 1)
    expect(await bob.next('event')).toMatchObject({ author: 'bob', n: 1 })
    expect(honest.events).toEqual([])
    await bob.close()
  })

  test('P9: a token that expires meanwhile closes with 4407, in both dialects', async () => {
    // Tokens tell seconds: at least one, at most two.
    const token = await makeToken({ '*': 'write' }, { expires: inSeconds(2) })
    const [bot, client] = [await open(token), await raw('room', token)]
    await bot.join('room')
    await client.sync()
    expect(await bot.next('error')).toMatchObject({ code: 'token_expired' })
    expect((await within(bot.closed, 'the close')).code).toBe(4407)
    expect((await within(client.closed, 'the close')).code).toBe(4407)
  })

  test('P9: AUTH keeps the connection beyond the expiry, and lost grants are told', async () => {
    const expires = inSeconds(2)
    const bot = await open(await makeToken({ '*': 'write' }, { expires }))
    const [kept, lost, reduced] = [await bot.join('kept'), await bot.join('lost'), await bot.join('reduced')]
    const later = inSeconds(3_600)
    bot.send({ type: 'auth', token: await makeToken({ kept: 'write', reduced: 'read' }, { expires: later }) })
    expect(await bot.next('authed')).toEqual({ type: 'authed', user: 'ada', expires: later * 1000 })
    expect(await bot.next('left')).toMatchObject({ room: lost.number, code: 'forbidden' })
    kept.type('still')
    await kept.saved()
    reduced.type('no more')
    expect(await bot.next('nack')).toMatchObject({ room: reduced.number, code: 'forbidden' })
    lost.type('gone')
    expect(await bot.next('nack')).toMatchObject({ room: lost.number, code: 'not_joined' })
    expect(await bot.joinRefused('lost')).toMatchObject({ code: 'forbidden' })
    await until(() => Date.now() > expires * 1000 + 300, 'the first expiry')
    await bot.flush()
    await bot.close()
  })

  test('P9: AUTH with a token of another user, or a bad one, closes', async () => {
    for (const [token, code] of [
      [await makeToken({ '*': 'write' }, { user: 'eve' }), 4401],
      [await makeToken({ '*': 'write' }, { tenant: 'acme' }), 4401],
      ['nonsense', 4401],
      [await makeToken({}, { expires: inSeconds(-60) }), 4407],
    ] as const) {
      const bot = await open(await makeToken())
      bot.send({ type: 'auth', token })
      expect((await within(bot.closed, 'the close')).code).toBe(code)
    }
  })
})

describe('a grant to read', () => {
  test('P25: everything that writes is forbidden; reading goes on', async () => {
    const bot = await open(await makeToken({ room: 'read' }, { user: 'reader' }))
    const room = await bot.join('room')
    expect(room.joined.access).toBe('read')
    expect(room.text).toBe(honest.text)
    const before = honest.text
    const n = room.type('not this')
    expect(await bot.next('nack')).toMatchObject({ n, code: 'forbidden' })
    room.append('note', 1)
    expect(await bot.next('nack')).toMatchObject({ n: n + 1, code: 'forbidden' })
    bot.send({ type: 'broadcast', room: room.number, name: 'x', payload: encodeValue(1) })
    expect(await bot.next('error')).toMatchObject({ request: null, code: 'forbidden' })
    room.show(91, 1, 'a reader is seen')
    await until(() => honest.presence.get(91) !== undefined, 'its presence')
    expect(honest.text).toBe(before)
    expect(honest.bot.frames.some(({ type }) => type === 'event' || type === 'broadcasted')).toBe(false)
    await bot.close()
  })

  test('P40: of many that bring the same step 2 at once the writers count, whoever is looked at first', async () => {
    const grants = ['read', 'write', 'read', 'write', 'read'] as const
    const clients = await Promise.all(
      grants.map(async (grant) => {
        const client = await raw('same', await makeToken({ same: grant }))
        await client.sync()
        return client
      }),
    )
    const offline = new Y.Doc()
    offline.getText('text').insert(0, 'written offline '.repeat(60))
    const update = Y.encodeStateAsUpdate(offline)
    for (const client of clients) client.step2(update)
    const text = offline.getText('text').toJSON()
    // Who has sent it does not get it back.
    const readers = clients.filter((_, i) => grants[i] === 'read')
    await until(() => readers.every((client) => client.text === text), 'the content')
    const late = await raw('same', await makeToken({ same: 'read' }))
    await late.sync()
    expect(late.text).toBe(text)
    // Nobody is denied now: it adds nothing.
    late.step2(update)
    await late.sync()
    expect(late.count('auth')).toBe(0)
    await Promise.all([...clients, late].map((client) => client.close()))
  })

  test('P41: a stock client is told "permission denied", once; its change is neither relayed nor stored', async () => {
    const client = await raw('room', await makeToken({ room: 'read' }))
    await client.sync()
    expect(client.text).toBe(honest.text)
    const received = await server.metric('weft_updates_received_total')
    const before = honest.text
    client.type('not this')
    client.step2(Y.encodeStateAsUpdate(client.doc))
    await until(() => client.count('auth') === 1, 'the denial')
    await client.sync()
    expect(client.count('auth')).toBe(1)
    expect(honest.text).toBe(before)
    expect(await server.metric('weft_updates_received_total')).toBe(received)
    honest.type('read on ')
    await until(() => client.text.includes('read on '), 'what others write')
    await client.close()
  })

  test('P41: an unmodified provider that may only read stays connected and follows', async () => {
    const doc = new Y.Doc()
    const provider = new WebsocketProvider(`${server.wsUrl}/yjs`, 'room', doc, {
      WebSocketPolyfill: WebSocket as unknown as typeof globalThis.WebSocket,
      disableBc: true,
      params: { token: await makeToken({ room: 'read' }) },
    })
    const denied: string[] = []
    provider.messageHandlers[2] = () => void denied.push('denied')
    try {
      await until(() => provider.synced, 'synced')
      doc.getText('text').insert(0, 'not this')
      await until(() => denied.length > 0, 'the denial')
      honest.type('more ')
      await until(() => doc.getText('text').toJSON().includes('more '), 'the edit')
      expect(honest.text).not.toContain('not this')
      expect(provider.wsconnected).toBe(true)
    } finally {
      provider.destroy()
      provider.awareness.destroy()
    }
  })
})

describe('presence', () => {
  test('P31: a reconnecting client takes its id over from its own half-open socket; others do not', async () => {
    const token = await makeToken({ '*': 'write' }, { user: 'bob' })
    const half = await open(token)
    const old = await half.join('room')
    old.show(55, 3, 'before')
    await until(() => honest.presence.get(55)?.state === 'before', 'the first')
    const eve = await open(await makeToken({ '*': 'write' }, { user: 'eve' }))
    const evil = await eve.join('room')
    evil.show(55, 9, 'forged')
    await eve.flush()
    const back = await open(token)
    const room = await back.join('room')
    room.show(55, 3, 'after')
    await until(() => honest.presence.get(55)?.state === 'after', 'the takeover')
    // The old socket is noticed at last: the id stays.
    half.terminate()
    await eve.close()
    await back.flush()
    room.show(55, 4, 'still')
    await until(() => honest.presence.get(55)?.state === 'still', 'the next state')
    await back.close()
    await until(() => honest.presence.get(55)?.state === null, 'the close')
  })
})

describe('origins', () => {
  test('a page of another origin is refused at the upgrade; programs, which send none, are not', async () => {
    const statusOf = async (origin: string): Promise<number> => {
      const ws = new WebSocket(`${server.wsUrl}/v1/connect`, { origin })
      return await new Promise((resolve) => {
        ws.on('open', () => {
          ws.terminate()
          resolve(101)
        })
        ws.on('unexpected-response', (_request, response) => {
          response.destroy()
          resolve(response.statusCode ?? 0)
        })
        ws.on('error', () => undefined)
      })
    }
    expect(await statusOf('https://app.example')).toBe(101)
    for (const origin of [
      'https://evil.example',
      'http://app.example',
      'https://app.example.evil.example',
      'null',
    ]) {
      expect(await statusOf(origin)).toBe(403)
    }
  })
})
