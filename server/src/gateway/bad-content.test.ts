/* What those get who send a room bad updates, messages and presence, and that they hurt only themselves (I7). */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { encodeValue, writeAwareness } from '@weft/protocol'
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

/** Client 7 with structs from clock 0, and no deletes; see inspect.test.ts of crdt for the bytes. */
const update = (count: number, ...structs: number[]): Uint8Array => bytes(1, count, 7, 0, ...structs, 0)
const hostile: [string, Uint8Array][] = [
  ['does not decode', bytes(1, 2, 3)],
  ['is empty of bytes', bytes()],
  ['goes on after its end', bytes(0, 0, 0)],
  ['refers to itself', update(1, 0x84, 7, 0, 1, 120)],
  ['refers to its own client later', update(1, 0x84, 7, 9, 1, 120)],
  ['has itself as the parent', update(1, 4, 0, 7, 0, 1, 120)],
  ['has a struct of length zero', update(1, 0, 0)],
  ['has a string of length zero', update(1, 4, 1, 1, 116, 0)],
  ['has a delete of length zero', bytes(0, 1, 7, 1, 0, 0)],
  ['claims a million structs', bytes(1, 0xc0, 0x84, 0x3d, 7, 0)],
]

describe('updates', () => {
  test.each(hostile)(
    'P25: one that %s is refused with invalid_update, and settled',
    async (_name, invalid) => {
      const bot = await open()
      const room = await bot.join('room')
      const before = honest.text
      const n = room.update(invalid)
      expect(await bot.next('nack')).toMatchObject({ room: room.number, n, code: 'invalid_update' })
      room.type('good ')
      await room.saved()
      await until(() => honest.text === `${before}good `, 'the good one')
      await bot.close()
    },
  )

  test.each(hostile)('P41: from a stock client, one that %s closes with 4400', async (_name, invalid) => {
    for (const send of ['update', 'step2'] as const) {
      const raw = await YjsRaw.open(server.wsUrl, 'room')
      raw[send](invalid)
      expect((await closeOf(raw)).code).toBe(4400)
    }
  })

  test('P25, P41: one beyond the limit is too_large; a stock client closes with 4413', async () => {
    const bot = await open()
    const room = await bot.join('room')
    room.type('x'.repeat(limits.maxUpdateBytes + 1))
    expect(await bot.next('nack')).toMatchObject({ code: 'too_large' })
    await bot.close()
    const raw = await YjsRaw.open(server.wsUrl, 'room')
    raw.type('x'.repeat(limits.maxUpdateBytes + 1))
    expect((await closeOf(raw)).code).toBe(4413)
    expect(honest.text).not.toContain('x')
  })

  test('P25: a large one is checked off the loop, and later frames keep their order', async () => {
    const bot = await open()
    const room = await bot.join('large')
    room.type('a'.repeat(90_000))
    room.type('b')
    const bad = new Uint8Array(90_000)
    const n = room.update(bad)
    room.append('note', 'after')
    room.edit((text) => text.insert(0, 'c'))
    expect(await bot.next('nack')).toMatchObject({ n, code: 'invalid_update' })
    await room.saved()
    const late = await open()
    expect((await late.join('large')).text).toBe(room.text)
    expect(bot.frames.filter(({ type }) => type === 'nack')).toHaveLength(1)
    await Promise.all([bot.close(), late.close()])
  })

  test('P21, P23: a number that came already is taken once; one that leaves refused ones out is taken', async () => {
    const bot = await open()
    const room = await bot.join('numbers')
    room.type('a')
    await room.saved()
    room.append('x', 'again', 1)
    await bot.flush()
    room.append('x', 'later', 9)
    await room.saved(9)
    await until(() => room.events.length === 1, 'the event')
    expect(room.messages).toEqual(['later'])
    expect(bot.frames.filter(({ type }) => type === 'nack')).toEqual([])
    await bot.close()
  })
})

describe('messages', () => {
  test('a payload beyond the limit is too_large; a name with NUL is refused', async () => {
    const bot = await open()
    const room = await bot.join('messages')
    room.append('big', 'x'.repeat(limits.maxEventBytes))
    expect(await bot.next('nack')).toMatchObject({ n: 1, code: 'too_large' })
    room.append('a\0b', 1)
    expect(await bot.next('nack')).toMatchObject({ n: 2, code: 'invalid_frame' })
    room.append('fine', { all: ['kinds', 1, 1.5, null, true, bytes(1)] })
    await room.saved()
    await until(() => room.events.length === 1, 'the event')
    expect(room.messages).toEqual([{ all: ['kinds', 1, 1.5, null, true, bytes(1)] }])
    await bot.close()
  })

  test('P35: a broadcast reaches the others and not its sender; one that is too large is refused', async () => {
    const [a, b, c] = [await open(), await open(), await open()]
    const room = await a.join('broadcast')
    await Promise.all([b.join('broadcast'), c.join('broadcast')])
    a.send({ type: 'broadcast', room: room.number, name: 'point', payload: encodeValue([1, 2]) })
    for (const bot of [b, c]) {
      expect(await bot.next('broadcasted')).toMatchObject({
        author: null,
        name: 'point',
        payload: encodeValue([1, 2]),
      })
    }
    const payload = encodeValue('x'.repeat(limits.maxEventBytes))
    a.send({ type: 'broadcast', room: room.number, name: 'point', payload })
    expect(await a.next('error')).toMatchObject({ request: null, code: 'too_large' })
    await a.flush()
    expect(a.frames.some(({ type }) => type === 'broadcasted')).toBe(false)
    // Not stored: it is no event.
    expect((await (await open()).join('broadcast')).joined.head).toBe(0)
    await Promise.all([a.close(), b.close(), c.close()])
  })
})

describe('presence', () => {
  test.each<[string, Uint8Array, string]>([
    ['that does not decode', bytes(1, 2), 'invalid_presence'],
    ['that is no JSON', bytes(1, 5, 1, 2, 0x7b, 0x7b), 'invalid_presence'],
    ['that goes on after its end', bytes(0, 0), 'invalid_presence'],
    [
      'that is too long',
      writeAwareness([{ clientId: 1, clock: 1, state: JSON.stringify('x'.repeat(256)) }]),
      'too_large',
    ],
    [
      'that is nested too deeply',
      writeAwareness([{ clientId: 1, clock: 1, state: '['.repeat(40) + ']'.repeat(40) }]),
      'invalid_presence',
    ],
    [
      'with a clock beyond 2^52',
      writeAwareness([{ clientId: 1, clock: 2 ** 52 + 2, state: '1' }]),
      'invalid_presence',
    ],
    ['that claims a million entries', bytes(0xc0, 0x84, 0x3d), 'too_large'],
  ])('P34: presence %s is answered by an ERROR, and dropped', async (_name, awareness, code) => {
    const bot = await open()
    const room = await bot.join('room')
    bot.send({ type: 'presence', room: room.number, awareness })
    expect(await bot.next('error')).toMatchObject({ request: null, code })
    room.show(32, 1, 'fine')
    await until(() => honest.presence.get(32)?.state === 'fine', 'the next one')
    await bot.close()
  })

  test('P30: the id of somebody else is ignored, not punished', async () => {
    honest.show(33, 1, 'mine')
    const bot = await open()
    const room = await bot.join('room')
    await until(() => room.presence.get(33)?.state === 'mine', 'the presence')
    room.show(34, 1, 'own')
    room.show(33, 9, 'forged')
    room.show(33, 10, null)
    await until(() => honest.presence.get(34)?.state === 'own', 'the own one')
    await bot.flush()
    const late = await open()
    const seen = await late.join('room')
    await until(() => seen.presence.has(34), 'the snapshot')
    expect(seen.presence.get(33)?.state).toBe('mine')
    await Promise.all([bot.close(), late.close()])
    await until(() => honest.presence.get(34)?.state === null, 'the close')
  })

  test('I6: of many ids in one frame a connection shows only so many', async () => {
    const bot = await open()
    const room = await bot.join('crowd')
    const entries = Array.from({ length: 1_000 }, (_, id) => ({ clientId: id, clock: 1, state: '1' }))
    bot.send({ type: 'presence', room: room.number, awareness: writeAwareness(entries) })
    await until(() => room.presence.size > 0, 'presence')
    expect(room.presence.size).toBe(16)
    await bot.close()
  })
})
