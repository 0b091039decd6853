/* What a grant allows, kind by kind, and where tokens come from; on the wire of every dialect. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import WebSocket from 'ws'
import { encodeValue } from '@weft/protocol'
import type { AuthorizeAnswer } from '../auth/index.js'
import { startServer, type TestServer } from '../testing/start-server.js'
import { inSeconds, makeToken, testSecret } from '../testing/tokens.js'
import { until, within } from '../testing/until.js'
import { WeftBot, type BotRoom } from '../testing/weft-bot.js'
import { YjsRaw } from '../testing/yjs-raw.js'

let server: TestServer
/** Writes, shows and sees in `room`. */
let honest: BotRoom
/** What the hook of the second server answers, or does. */
let hook: (user: string | null, room: string) => AuthorizeAnswer | Promise<AuthorizeAnswer>
let asking: TestServer

beforeAll(async () => {
  server = await startServer({ jwtSecret: testSecret })
  asking = await startServer({
    jwtSecret: testSecret,
    authorize: ({ user, room }) => hook(user, room),
    authorizeTimeoutMs: 200,
    authorizeCacheMs: 0,
    authorizeReviewMs: 1_000,
  })
  honest = await (await WeftBot.open(server.wsUrl, { token: await makeToken() })).join('room')
})
afterAll(async () => {
  expect(server.faults.slice(0, 3)).toEqual([])
  expect(asking.faults.slice(0, 3)).toEqual([])
  await Promise.all([server.dispose(), asking.dispose()])
})

const enter = async (grant: unknown, user = 'bob'): Promise<BotRoom> => {
  const token = await makeToken({ room: grant }, { user })
  return await (await WeftBot.open(server.wsUrl, { token })).join('room')
}

/** What becomes of each kind of frame: 'ok', or the code of the refusal. */
const tryAll = async (room: BotRoom, id: number): Promise<Record<string, string>> => {
  const { bot, number } = room
  const settled = async (n: number): Promise<string> => {
    const fate = await room.fate(n)
    return typeof fate === 'number' ? 'ok' : fate
  }
  /** PONG comes in order: an ERROR without a request is there by then, or does not come. */
  const errors = async (): Promise<string> => {
    const before = bot.frames.length
    await bot.flush()
    const found = bot.frames.slice(before).find((frame) => frame.type === 'error')
    return found?.type === 'error' ? found.code : 'ok'
  }
  const results: Record<string, string> = {}
  results['update'] = await settled(room.type('.'))
  results['seed'] = await settled(room.seed('s'))
  results['append'] = await settled(room.append('note', 1))
  const seen = bot.frames.length
  const request = bot.askHistory(number)
  const page = await bot.nextOf(
    (frame): frame is Extract<typeof frame, { type: 'historyPage' | 'error' }> =>
      (frame.type === 'historyPage' || frame.type === 'error') && frame.request === request,
    'the answer',
  )
  results['history'] = page.type === 'error' ? page.code : 'ok'
  expect(bot.frames.length).toBeGreaterThan(seen)
  bot.send({ type: 'broadcast', room: number, name: 'wave', payload: encodeValue(1) })
  results['broadcast'] = await errors()
  room.show(id, 1, 'here')
  results['presence'] = await errors()
  return results
}

describe('P82: what is granted one by one', () => {
  const no = 'forbidden'
  test.each<[unknown, string, Record<string, string>]>([
    [
      'write',
      'write',
      { update: 'ok', seed: 'not_empty', append: 'ok', history: 'ok', broadcast: 'ok', presence: 'ok' },
    ],
    ['read', 'read', { update: no, seed: no, append: no, history: 'ok', broadcast: no, presence: 'ok' }],
    [['read'], 'read', { update: no, seed: no, append: no, history: no, broadcast: no, presence: no }],
    [
      ['write'],
      'write',
      { update: 'ok', seed: 'not_empty', append: no, history: no, broadcast: no, presence: no },
    ],
    [['events'], 'read', { update: no, seed: no, append: 'ok', history: no, broadcast: 'ok', presence: no }],
    [['history'], 'read', { update: no, seed: no, append: no, history: 'ok', broadcast: no, presence: no }],
    [['presence'], 'read', { update: no, seed: no, append: no, history: no, broadcast: no, presence: 'ok' }],
    [
      'admin',
      'write',
      { update: 'ok', seed: 'not_empty', append: 'ok', history: 'ok', broadcast: 'ok', presence: 'ok' },
    ],
  ])('P25, P35, P50: %j', async (grant, access, expected) => {
    const room = await enter(grant)
    const id = Math.floor(Math.random() * 2 ** 31)
    expect(room.joined.access).toBe(access)
    expect(await tryAll(room, id)).toEqual(expected)
    if (expected['presence'] === 'ok') await until(() => honest.presence.has(id), 'its presence')
    else {
      // What came before has been handled: a state that another shows now is seen, its own is not.
      honest.show(7, Date.now(), 'still')
      await honest.bot.flush()
      expect(honest.presence.has(id)).toBe(false)
    }
    await room.bot.close()
  })

  test('P82: a stock client without `presence` is not shown, and one without `write` does not change anything', async () => {
    const client = await YjsRaw.connect(
      server.wsUrl,
      `room?token=${await makeToken({ room: ['read'] }, { user: 'stock' })}`,
    )
    await client.sync()
    const before = honest.text
    client.type('no')
    await until(() => client.count('auth') === 1, 'the denial')
    expect(honest.text).toBe(before)
    await client.close()
  })

  test('P80, P82: who loses `presence` is shown as gone, and may still leave', async () => {
    const room = await enter('write', 'shy')
    room.show(4711, 1, 'here')
    await until(() => honest.presence.get(4711)?.state === 'here', 'its presence')
    await server.server.control.grant('shy', 'room', ['write'])
    await until(() => honest.presence.get(4711)?.state === null, 'it is gone')
    room.show(4711, 2, 'here again')
    expect(await room.bot.next('error')).toMatchObject({ request: null, code: 'forbidden' })
    expect(room.bot.frames.some(({ type }) => type === 'access')).toBe(false)
    await room.bot.close()
  })
})

describe('P81: a token of the upgrade request', () => {
  interface Answer {
    readonly status: number
    readonly protocol: string
    readonly ws: WebSocket
    /** It may come with the answer itself. */
    readonly message: Promise<Buffer>
  }
  const upgrade = (
    path: string,
    protocols: string[],
    headers: Record<string, string> = {},
  ): Promise<Answer> => {
    const ws = new WebSocket(`${server.wsUrl}${path}`, protocols, { headers })
    ws.on('error', () => undefined)
    const message = new Promise<Buffer>((resolve) => ws.once('message', resolve))
    return within(
      new Promise((resolve) => {
        ws.on('open', () => resolve({ status: 101, protocol: ws.protocol, ws, message }))
        ws.on('unexpected-response', (_request, response) => {
          response.destroy()
          resolve({ status: response.statusCode ?? 0, protocol: '', ws, message })
        })
      }),
      'the answer',
    )
  }
  const closeOf = (ws: WebSocket): Promise<number> => new Promise((resolve) => ws.on('close', resolve))

  test('P38: a stock client is let in by the header, or the subprotocol, which is never repeated', async () => {
    const token = await makeToken()
    for (const [protocols, headers, selected] of [
      [[], { authorization: `Bearer ${token}` }, ''],
      [['weft', `weft.bearer.${token}`], {}, 'weft'],
      [[`weft.bearer.${token}`, 'y'], {}, 'y'],
      [['other'], { authorization: `bearer ${token}` }, 'other'],
    ] as const) {
      const { status, protocol, ws, message } = await upgrade('/yjs/room', [...protocols], headers)
      expect([status, protocol]).toEqual([101, selected])
      expect((await within(message, 'a message'))[0]).toBe(0)
      ws.terminate()
    }
  })

  test('the header counts before the subprotocol, and that before the address; a wrong one is not passed over', async () => {
    const [good, bad] = [await makeToken(), await makeToken({}, { secret: 'x'.repeat(32) })]
    const { ws } = await upgrade(`/yjs/room?token=${good}`, ['weft', `weft.bearer.${good}`], {
      authorization: `Bearer ${bad}`,
    })
    expect(await within(closeOf(ws), 'the close')).toBe(4401)
    const second = await upgrade(`/yjs/room?token=${good}`, ['weft', `weft.bearer.${bad}`])
    expect(await within(closeOf(second.ws), 'the close')).toBe(4401)
  })

  test('a token alone among the subprotocols is refused with 400, on every path', async () => {
    for (const path of ['/v1/connect', '/yjs/room', '/hocuspocus']) {
      expect((await upgrade(path, [`weft.bearer.${await makeToken()}`])).status).toBe(400)
    }
  })

  test('P6: it counts where HELLO has none, and that of HELLO before it', async () => {
    const token = await makeToken({ '*': 'write' }, { user: 'header' })
    const bot = await WeftBot.connect(server.wsUrl, { headers: { authorization: `Bearer ${token}` } })
    bot.hello(null)
    expect((await bot.next('welcome')).user).toBe('header')
    await bot.close()
    const other = await WeftBot.connect(server.wsUrl, { headers: { authorization: `Bearer ${token}` } })
    other.hello(await makeToken({}, { expires: inSeconds(-60) }))
    expect((await within(other.closed, 'the close')).code).toBe(4407)
  })
})

describe('the authorization hook', () => {
  const open = async (user = 'ada'): Promise<WeftBot> =>
    WeftBot.open(asking.wsUrl, { token: await makeToken({ '*': 'write' }, { user }) })

  test('P13: it decides in place of the token, for each room', async () => {
    hook = (_user, room) => (room === 'mine' ? 'write' : room === 'seen' ? 'read' : null)
    const bot = await open()
    expect((await bot.joinOnly('mine')).access).toBe('write')
    expect((await bot.joinOnly('seen')).access).toBe('read')
    const rooms = asking.server.openRooms
    expect(await bot.joinRefused('other')).toMatchObject({ code: 'forbidden' })
    expect(asking.server.openRooms).toBe(rooms)
    await bot.close()
  })

  test('P13, I8: one that throws or hangs lets nobody in; others, and other rooms, go on', async () => {
    hook = (_user, room) => {
      if (room === 'throws') throw new Error('a fault of the application')
      return room === 'hangs' ? new Promise<never>(() => undefined) : 'write'
    }
    const bot = await open()
    const room = await bot.join('works')
    const refused = [bot.joinRefused('throws'), bot.joinRefused('hangs')]
    room.type('x')
    await room.saved()
    for (const refusal of refused) expect(await refusal).toMatchObject({ code: 'internal' })
    const stock = await YjsRaw.connect(asking.wsUrl, `throws?token=${await makeToken()}`)
    expect((await within(stock.closed, 'the close')).code).toBe(4500)
    room.type('y')
    await room.saved()
    await bot.close()
  })

  test('P80: it is asked again about who is in a room, by itself and by `reauthorize`', async () => {
    hook = () => 'write'
    const bot = await open('eve')
    const [room, other] = [await bot.join('again'), await bot.join('stays')]
    hook = (_user, name) => (name === 'again' ? 'read' : 'write')
    asking.server.control.reauthorize('eve', 'again')
    expect(await bot.next('access')).toMatchObject({ room: room.number, access: 'read' })
    expect(await room.fate(room.type('no'))).toBe('forbidden')
    other.type('yes')
    await other.saved()
    hook = (_user, name) => (name === 'again' ? null : 'write')
    expect(await bot.next('left')).toMatchObject({ room: room.number, code: 'forbidden' })
    hook = () => {
      throw new Error('a fault of the application')
    }
    expect(await bot.next('left')).toMatchObject({ room: other.number, code: 'internal' })
    await bot.close()
  })
})
