/* Changes, acks and the initial state, on a real PostgreSQL that stops in between. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import * as Y from 'yjs'
import { encodeValue } from '@weft/protocol'
import { startPostgres, type TestPostgres } from '../testing/postgres.js'
import { startServer, type TestServer } from '../testing/start-server.js'
import { until, within } from '../testing/until.js'
import { WeftBot, type BotRoom } from '../testing/weft-bot.js'
import { YjsRaw } from '../testing/yjs-raw.js'

let postgres: TestPostgres
let server: TestServer
const bots: WeftBot[] = []

const journalMaxBytes = 128 * 1024

beforeAll(async () => {
  postgres = await startPostgres()
  server = await startServer({
    databaseUrl: await postgres.createDatabase(),
    journalMaxBytes,
    compactBytes: 64 * 1024,
    heartbeatMs: 60_000,
  })
})
afterEach(() => {
  for (const bot of bots.splice(0)) bot.terminate()
})
afterAll(async () => {
  await server.dispose()
  await postgres.dispose()
})

const open = async (clientId?: Uint8Array): Promise<WeftBot> => {
  const bot = await WeftBot.open(server.wsUrl, clientId === undefined ? {} : { clientId })
  bots.push(bot)
  return bot
}
const join = async (name: string): Promise<BotRoom> => await (await open()).join(name)
const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i)

describe('acks', () => {
  test('P24: a change is relayed before its commit; P22: its ACK comes after', async () => {
    const [a, b] = [await join('relay'), await join('relay')]
    postgres.pause()
    try {
      const n = a.type('unsaved')
      await until(() => b.text === 'unsaved', 'the relay')
      await a.bot.flush()
      expect(a.acked).toBe(0)
      postgres.resume()
      const ack = await a.bot.next('ack')
      expect(ack).toEqual({ type: 'ack', room: a.number, n, seq: 1 })
    } finally {
      postgres.resume()
    }
  })

  test('P22: one ACK may stand for many, and refused changes count as settled', async () => {
    const a = await join('cumulative')
    for (let i = 0; i < 20; i++) a.type('x')
    const refused = a.update(new Uint8Array([1, 2, 3]))
    const last = a.type('y')
    await a.saved()
    expect(a.bot.frames.filter(({ type }) => type === 'nack')).toMatchObject([{ n: refused }])
    const acks = a.bot.frames.filter((frame) => frame.type === 'ack')
    expect(acks.at(-1)?.n).toBe(last)
    expect(acks.map(({ n }) => n)).toEqual([...acks.map(({ n }) => n)].sort((x, y) => x - y))
    expect(acks.at(-1)?.seq).toBe(21)
  })

  test('P26: an update whose dependencies are missing is stored, and acknowledged only when they are there', async () => {
    const author = new Y.Doc()
    const updates: Uint8Array[] = []
    author.on('update', (update: Uint8Array) => updates.push(update))
    author.getText('text').insert(0, 'first ')
    author.getText('text').insert(6, 'second')
    const [late, early] = [await join('dependencies'), await join('dependencies')]
    late.update(updates[1]!)
    late.append('after', 1)
    await until(() => late.events.length === 1, 'the message committed behind it')
    await late.bot.flush()
    expect(late.acked).toBe(0)
    early.update(updates[0]!)
    await Promise.all([late.saved(), early.saved()])
    expect((await join('dependencies')).text).toBe('first second')
  })

  test('P19: the state vector of JOINED covers committed content only', async () => {
    const a = await join('vector')
    a.type('committed')
    await a.saved()
    postgres.pause()
    try {
      a.type(' and not')
      const b = await join('vector')
      expect(b.text).toBe('committed and not')
      expect([...Y.decodeStateVector(b.joined.stateVector).values()]).toEqual([9])
      expect(b.joined.head).toBe(1)
    } finally {
      postgres.resume()
    }
    await a.saved()
  })
})

describe('a full journal', () => {
  const fill = async (room: BotRoom): Promise<number> => {
    let refused = 0
    for (let i = 0; i < 100 && refused === 0; i++) {
      room.type('x'.repeat(10_000))
      await room.bot.flush()
      refused = room.bot.frames.find((frame) => frame.type === 'nack')?.n ?? 0
    }
    return refused
  }

  test('P23: overloaded is retryable: later changes are out_of_order until the refused one comes again', async () => {
    const [a, b] = [await join('overloaded'), await join('overloaded')]
    postgres.pause()
    let refused: number
    try {
      refused = await fill(a)
      expect(await a.bot.next('nack')).toMatchObject({ n: refused, code: 'overloaded' })
      a.append('later', 1)
      expect(await a.bot.next('nack')).toMatchObject({ n: refused + 1, code: 'out_of_order' })
      await b.bot.flush()
      // Refused before it was relayed (I3).
      expect(b.text).toHaveLength(10_000 * (refused - 1))
    } finally {
      postgres.resume()
    }
    await a.saved(refused - 1)
    a.append('even later', 1, refused + 2)
    expect(await a.bot.next('nack')).toMatchObject({ n: refused + 2, code: 'out_of_order' })
    a.append('again', 1, refused)
    a.append('later', 2)
    await a.saved(refused + 1)
    await until(() => b.events.length === 2, 'the messages')
    expect(b.events.map(({ name }) => name)).toEqual(['again', 'later'])
  })

  test('P42: a stock client is closed with 4503, and keeps its changes', async () => {
    const [filler, watcher] = [await join('full'), await join('full')]
    const raw = await YjsRaw.open(server.wsUrl, 'full')
    postgres.pause()
    try {
      await fill(filler)
      raw.type(`kept${'y'.repeat(12_000)}`)
      expect((await within(raw.closed, 'the close')).code).toBe(4503)
    } finally {
      postgres.resume()
    }
    await until(async () => (await server.metric('weft_journal_depth')) === 0, 'the commit')
    const again = await YjsRaw.connect(server.wsUrl, 'full')
    again.step2(Y.encodeStateAsUpdate(raw.doc))
    await until(() => watcher.text.includes('kept'), 'the change')
    await again.close()
  })
})

describe('the initial state', () => {
  test('P16, P17: full, diff and resume bring what they should, in one `done`; P18: nothing else falls between', async () => {
    const writer = await join('modes')
    writer.type('one ')
    writer.append('m', 1)
    await writer.saved()
    const half = Y.encodeStateVector(writer.doc)
    const held = Y.encodeStateAsUpdate(writer.doc)
    const after = 2
    writer.type('two')
    writer.append('m', 2)
    await writer.saved()
    const { epoch } = writer.joined

    const cases = [
      { options: {}, mode: 'full', text: 'one two', messages: [], base: null },
      { options: { stateVector: half }, mode: 'diff', text: 'one two', messages: [], base: held },
      { options: { epoch, after }, mode: 'resume', text: 'one two', messages: [2], base: held },
      { options: { epoch, after: 4 }, mode: 'resume', text: '', messages: [], base: null },
      // P16: what cannot be resumed is full, or a diff.
      { options: { epoch, after: 99 }, mode: 'full', text: 'one two', messages: [], base: null },
      { options: { after }, mode: 'full', text: 'one two', messages: [], base: null },
      {
        options: { epoch, after: 99, stateVector: half },
        mode: 'diff',
        text: 'one two',
        messages: [],
        base: held,
      },
      // P20: a vector of another epoch means nothing.
      {
        options: { epoch: epoch + 1, after, stateVector: half },
        mode: 'full',
        text: 'one two',
        messages: [],
        base: null,
      },
    ] as const
    for (const { options, mode, text, messages, base } of cases) {
      const bot = await open()
      const room = await bot.join('modes', options)
      expect(room.joined).toMatchObject({ mode, epoch, head: 4, access: 'write' })
      if (base !== null) Y.applyUpdate(room.doc, base)
      expect(room.text).toBe(text)
      expect(room.messages).toEqual(messages)
      await bot.flush()
      const types = bot.frames.filter((frame) => 'room' in frame).map((frame) => frame.type)
      const done = bot.frames.filter((frame) => frame.type === 'sync' && frame.part === 'done')
      expect(done).toHaveLength(1)
      expect(types[0]).toBe('joined')
      expect(
        types.slice(1, types.lastIndexOf('sync')).every((type) => type === 'sync' || type === 'event'),
      ).toBe(true)
    }
  })

  test('P17: a large state comes in several parts, while others type', async () => {
    const writer = await join('parts')
    const chunk = 7_000
    for (let i = 0; i < 100; i++) {
      writer.type(String(i % 10).repeat(chunk))
      await writer.saved()
    }
    const joiners = await Promise.all(range(1, 4).map(() => open()))
    const joins = joiners.map((bot) => bot.join('parts'))
    for (let i = 0; i < 20; i++) {
      writer.type('!')
      await writer.bot.flush()
    }
    await writer.saved()
    for (const room of await Promise.all(joins)) {
      expect(room.syncFrames).toBeGreaterThan(2)
      await until(() => room.text === writer.text, 'all of it')
    }
    const frames = joiners.flatMap((bot) => bot.frames.filter((frame) => frame.type === 'sync'))
    for (const frame of frames) expect(frame.data.length).toBeLessThanOrEqual(256 * 1024)
  })

  test('P13: a room that cannot be loaded is load_failed, never empty; a stock client closes with 4510', async () => {
    const writer = await join('unloadable')
    writer.type('there')
    await writer.saved()
    await writer.bot.close()
    await server.restart()
    const bot = await open()
    await postgres.kill()
    try {
      expect(await bot.joinRefused('unloadable')).toMatchObject({ code: 'load_failed' })
      const raw = await YjsRaw.connect(server.wsUrl, 'unloadable')
      expect((await within(raw.closed, 'the close')).code).toBe(4510)
    } finally {
      await postgres.start()
    }
    let room: BotRoom | null = null
    await until(async () => {
      const again = await open()
      room = await again.join('unloadable').catch(() => null)
      return room !== null
    }, 'the room')
    expect(room!.text).toBe('there')
  })

  test('P11: what came before DRAIN is acknowledged before the close, and nothing after it is taken', async () => {
    const a = await join('flush')
    const raw = await YjsRaw.open(server.wsUrl, 'flush')
    postgres.pause()
    let stopped: Promise<number>
    try {
      const n = a.type('before')
      await until(() => raw.text === 'before', 'the relay')
      stopped = server.stop()
      await a.bot.next('drain')
      expect((await within(raw.closed, 'the close')).code).toBe(4501)
      const late = a.append('late', encodeValue(1))
      expect(await a.bot.next('nack')).toMatchObject({ n: late, code: 'draining' })
      expect((await a.bot.joinRefused('other')).code).toBe('draining')
      expect(a.acked).toBe(0)
      postgres.resume()
      expect(await a.bot.next('ack')).toMatchObject({ n })
    } finally {
      postgres.resume()
    }
    expect((await within(a.bot.closed, 'the close')).code).toBe(4501)
    expect(await stopped).toBe(0)
    await server.restart()
    expect((await join('flush')).text).toBe('before')
  })

  test('P11: DRAIN, then 4501; what was acknowledged is there afterwards', async () => {
    const a = await join('drain')
    a.type('saved')
    await a.saved()
    const raw = await YjsRaw.open(server.wsUrl, 'drain')
    a.append('late', encodeValue(1))
    await server.restart()
    expect((await a.bot.next('drain')).delay).toBeGreaterThanOrEqual(0)
    expect((await within(a.bot.closed, 'the close')).code).toBe(4501)
    expect((await within(raw.closed, 'the close')).code).toBe(4501)
    const again = await (await open(a.bot.clientId)).join('drain', { epoch: a.joined.epoch, after: 1 })
    again.append('late', encodeValue(1), 2)
    await again.saved()
    expect(again.events).toHaveLength(1)
    expect((await join('drain')).text).toBe('saved')
  })
})
