/* What bad clients get, and that they hurt only themselves (I7). */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import * as Y from 'yjs'
import { encodeClientFrame, encodeValue, FrameType, Writer } from '@weft/protocol'
import type { TestServer } from '../testing/start-server.js'
import { until } from '../testing/until.js'
import { WeftBot, type BotRoom } from '../testing/weft-bot.js'
import { YjsRaw } from '../testing/yjs-raw.js'
import { bytes, closeOf, HonestRoom, limits } from './testing/honest-room.js'

let scene: HonestRoom
let server: TestServer
let honest: BotRoom

beforeAll(async () => {
  scene = await HonestRoom.start()
  ;({ server, honest } = scene)
})
afterEach(() => scene.check())
afterAll(() => scene.dispose())

const open = (): Promise<WeftBot> => WeftBot.open(server.wsUrl)
const connect = (): Promise<WeftBot> => WeftBot.connect(server.wsUrl)

/** A frame with fields of the test's choice, however wrong. */
const frame = (type: number, ...fields: unknown[]): Uint8Array => encodeValue([type, ...fields])

describe('frames', () => {
  test.each<[string, Uint8Array]>([
    ['no MessagePack', bytes(0xc1)],
    ['no bytes', bytes()],
    ['no array', encodeValue({ type: 1 })],
    ['an empty array', bytes(0x90)],
    ['a type that is none', encodeValue(['update', 1])],
    ['an array that ends early', bytes(0x95, 4, 1)],
    ['too few fields', frame(FrameType.update, 1, 1)],
    ['a string for a number', frame(FrameType.update, 'one', 1, bytes(0, 0))],
    ['a number for bytes', frame(FrameType.update, 1, 1, 5)],
    ['a negative room', frame(FrameType.leave, -1)],
    ['a float for a number', frame(FrameType.leave, 1.5)],
    ['the number 0 for a change', frame(FrameType.update, 1, 0, bytes(0, 0))],
    ['an extension type', bytes(0x92, 0xd4, 0x01, 0x00, 0x00)],
    ['bytes after the frame', bytes(...frame(FrameType.ping, 1), 0)],
    ['a million arrays in arrays', new Uint8Array(100_000).fill(0x91)],
  ])('P3: %s closes with 4400 and says what was wrong', async (_name, message) => {
    const bot = await open()
    bot.raw(message)
    const error = await bot.next('error')
    expect(error).toMatchObject({ request: null, code: 'invalid_frame' })
    expect(await closeOf(bot)).toEqual({ code: 4400, reason: error.message })
  })

  test('P1: a text message closes with 4400', async () => {
    const bot = await open()
    bot.text('[9,1]')
    expect((await closeOf(bot)).code).toBe(4400)
  })

  test('P4: frames of unknown types, and fields that are not known, are ignored', async () => {
    const bot = await open()
    bot.raw(frame(200, 'what', { a: [1, 2] }))
    bot.raw(frame(FrameType.ping, 5, 'more', { of: 'it' }))
    expect((await bot.next('pong')).id).toBe(5)
    await bot.close()
  })

  test('P5: a frame beyond the limit closes with 4413, before HELLO too; one beyond twice the limit at once', async () => {
    for (const bot of [await open(), await connect()]) {
      bot.raw(new Uint8Array(limits.maxFrameBytes + 1))
      expect((await closeOf(bot)).code).toBe(4413)
    }
    for (const bot of [await open(), await connect()]) {
      bot.raw(new Uint8Array(2 * limits.maxFrameBytes + 1))
      expect((await closeOf(bot)).code).toBe(1006)
    }
  })

  test('P3: nothing of a malformed frame has an effect', async () => {
    const bot = await open()
    const room = await bot.join('room')
    const doc = new Y.Doc()
    doc.getText('text').insert(0, 'not this')
    bot.raw(
      bytes(
        ...encodeClientFrame({ type: 'update', room: room.number, n: 1, update: Y.encodeStateAsUpdate(doc) }),
        0,
      ),
    )
    expect((await closeOf(bot)).code).toBe(4400)
    expect(honest.text).not.toContain('not this')
  })
})

describe('HELLO', () => {
  test('P6: any other first frame closes with 4400, an unknown one too', async () => {
    for (const first of [frame(FrameType.ping, 1), frame(99)]) {
      const bot = await connect()
      bot.raw(first)
      expect(await bot.next('error')).toMatchObject({ code: 'unexpected_frame' })
      expect((await closeOf(bot)).code).toBe(4400)
    }
  })

  test('P6: a second HELLO closes with 4400', async () => {
    const bot = await open()
    bot.hello()
    expect((await closeOf(bot)).code).toBe(4400)
  })

  test('P6: an unknown version closes with 4426, whatever else its HELLO holds', async () => {
    for (const hello of [frame(FrameType.hello, 2, null, bytes(1), ''), frame(FrameType.hello, 99)]) {
      const bot = await connect()
      bot.raw(hello)
      expect(await bot.next('error')).toMatchObject({ code: 'unsupported_version' })
      expect((await closeOf(bot)).code).toBe(4426)
    }
  })

  test('P7: a connection that does not say HELLO in time closes with 4508', async () => {
    const bot = await connect()
    expect(await bot.next('error')).toMatchObject({ code: 'timeout' })
    expect((await closeOf(bot)).code).toBe(4508)
  })

  test('P10: PING is answered; the server pings; one that stays silent for two heartbeats closes with 4508', async () => {
    const silent = await WeftBot.open(server.wsUrl, { pong: false })
    const alive = await open()
    await alive.flush()
    await silent.next('ping')
    expect(await silent.next('error')).toMatchObject({ code: 'timeout' })
    expect((await closeOf(silent)).code).toBe(4508)
    await alive.flush()
    await alive.close()
  })
})

describe('rooms', () => {
  test.each([
    ['empty', ''],
    ['longer than 512 bytes', 'x'.repeat(513)],
    ['longer than 512 bytes of UTF-8', 'é'.repeat(257)],
    ['with NUL', 'a\0b'],
  ])('P12: a name that is %s is answered by an ERROR; the connection lives on', async (_name, room) => {
    const bot = await open()
    expect(await bot.joinRefused(room)).toMatchObject({ code: 'invalid_room_name' })
    await bot.join('room')
    await bot.close()
  })

  test('P12, P3: a name with a lone surrogate is no UTF-8', async () => {
    const bot = await open()
    const writer = new Writer().arrayHeader(6).uint(FrameType.join).uint(1)
    const name = [0xa3, 0xed, 0xa0, 0x80]
    bot.raw(bytes(...writer.finish(), ...name, 0xc0, 0xc0, 0xc0))
    expect((await closeOf(bot)).code).toBe(4400)
  })

  test.each([
    '/',
    '../x',
    '100%25',
    'ünï/✓ \u{1f600}',
    ' ',
    'x'.repeat(512),
    '__proto__',
    "'; drop table rooms; --",
  ])('P12: %j is a name like any other', async (name) => {
    const [a, b] = [await open(), await open()]
    const [inA, inB] = [await a.join(name), await b.join(name)]
    inA.type('here')
    await until(() => inB.text === 'here', 'the edit')
    await Promise.all([a.close(), b.close()])
  })

  test('P13: joining twice is already_joined, also while the first JOIN is on its way', async () => {
    const bot = await open()
    const first = bot.requestJoin('twice')
    const second = bot.requestJoin('twice')
    expect(await bot.next('error')).toMatchObject({ request: second, code: 'already_joined' })
    expect((await bot.next('joined')).request).toBe(first)
    expect(await bot.joinRefused('twice')).toMatchObject({ code: 'already_joined' })
    await bot.close()
  })

  test('P13, I6: of 10,000 JOINs on one connection those beyond the limit are refused, and all rooms are let go of', async () => {
    const bot = await open()
    for (let i = 0; i < 10_000; i++) bot.requestJoin(`many ${i}`)
    await until(() => bot.frames.filter(({ type }) => type === 'error').length === 9_950, 'the refusals')
    await until(
      () => bot.frames.filter((each) => each.type === 'sync' && each.part === 'done').length === 50,
      'the joins',
    )
    expect(server.server.openRooms).toBeLessThanOrEqual(51)
    for (const each of bot.frames) if (each.type === 'error') expect(each.code).toBe('too_many_rooms')
    bot.terminate()
    await until(() => server.server.openRooms <= 1, 'the rooms closed')
  })

  test('P14: frames for a room that was not joined are dropped, and changes get a NACK', async () => {
    const bot = await open()
    for (const room of [999, honest.number]) {
      bot.send({ type: 'update', room, n: 3, update: bytes(0, 0) })
      expect(await bot.next('nack')).toMatchObject({ room, n: 3, code: 'not_joined' })
      bot.send({ type: 'append', room, n: 4, name: 'x', payload: encodeValue(1) })
      expect(await bot.next('nack')).toMatchObject({ room, n: 4, code: 'not_joined' })
      bot.send({ type: 'presence', room, awareness: bytes(0) })
      bot.send({ type: 'broadcast', room, name: 'x', payload: encodeValue(1) })
      bot.send({ type: 'leave', room })
    }
    await bot.flush()
    expect(honest.bot.frames.some(({ type }) => type === 'broadcasted')).toBe(false)
    await bot.close()
  })

  test('P15: LEAVE is answered by LEFT, ends the presence, and the room may be joined again', async () => {
    const bot = await open()
    const room = await bot.join('room')
    room.show(31, 1, 'here')
    await until(() => honest.presence.get(31)?.state === 'here', 'the presence')
    bot.send({ type: 'leave', room: room.number })
    expect(await bot.next('left')).toEqual({ type: 'left', room: room.number, code: 'left', message: '' })
    await until(() => honest.presence.get(31)?.state === null, 'the leave')
    honest.type('unheard ')
    await honest.saved()
    room.type('too late')
    expect(await bot.next('nack')).toMatchObject({ code: 'not_joined' })
    expect(room.text).not.toContain('unheard')
    expect((await bot.join('room')).text).toBe(honest.text)
    await bot.close()
  })
})

describe('stock clients', () => {
  test.each<[string, Uint8Array]>([
    ['no bytes', bytes()],
    ['a sync message of an unknown kind', bytes(0, 9, 0)],
    ['bytes that end early', bytes(0, 2, 50, 1)],
    ['bytes after the message', bytes(3, 1)],
    ['a state vector that is none', bytes(0, 0, 2, 0xff, 0xff)],
    ['awareness that is none', bytes(1, 2, 1, 2)],
  ])('P41: %s closes with 4400', async (_name, message) => {
    const raw = await YjsRaw.connect(server.wsUrl, 'room')
    raw.raw(message)
    expect((await closeOf(raw)).code).toBe(4400)
  })

  test('messages of other kinds are ignored', async () => {
    const raw = await YjsRaw.open(server.wsUrl, 'room')
    raw.raw(bytes(100, 1, 2, 3))
    await raw.sync()
    await raw.close()
  })

  test.each(['', '%00', 'x'.repeat(513), '%ff', '%', '%ed%a0%80'])(
    'P37: the room %j closes with 4404',
    async (path) => {
      const raw = await YjsRaw.connect(server.wsUrl, path)
      expect((await closeOf(raw)).code).toBe(4404)
    },
  )

  test('P5: a message beyond the limit closes with 4413', async () => {
    const raw = await YjsRaw.open(server.wsUrl, 'room')
    raw.raw(new Uint8Array(limits.maxFrameBytes + 1))
    expect((await closeOf(raw)).code).toBe(4413)
  })
})
