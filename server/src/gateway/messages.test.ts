/* Durable messages: each once, in order, live and after a resume. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { decodeValue } from '@weft/protocol'
import { startPostgres, type TestPostgres } from '../testing/postgres.js'
import { startServer, type TestServer } from '../testing/start-server.js'
import { until } from '../testing/until.js'
import { WeftBot, type BotRoom } from '../testing/weft-bot.js'

let postgres: TestPostgres
let server: TestServer
const bots: WeftBot[] = []

beforeAll(async () => {
  postgres = await startPostgres()
  server = await startServer({
    databaseUrl: await postgres.createDatabase(),
    journalMaxBytes: 128 * 1024,
    compactBytes: 64 * 1024,
    maxEventBytes: 1024 * 1024,
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
const seqs = (room: BotRoom): number[] => room.events.map(({ seq }) => seq)
const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i)

describe('messages', () => {
  test('P27: sent again it is acknowledged with the seq it has; with another content it is a conflict', async () => {
    const first = await open()
    const room = await first.join('again')
    room.append('note', { text: 'a' })
    const { seq } = await first.next('ack')
    first.terminate()

    const again = await open(first.clientId)
    const back = await again.join('again', { epoch: room.joined.epoch, after: 0 })
    back.append('note', { text: 'a' }, 1)
    expect(await again.next('ack')).toMatchObject({ n: 1, seq })
    expect(seqs(back)).toEqual([seq])

    const other = await open(first.clientId)
    const wrong = await other.join('again')
    wrong.append('note', { text: 'b' }, 1)
    expect(await other.next('nack')).toMatchObject({ n: 1, code: 'conflict' })
    wrong.append('note', { text: 'c' }, 2)
    expect(await other.next('ack')).toMatchObject({ n: 2, seq: seq + 1 })
    await until(() => back.events.length === 2, 'the new one')
    expect(back.messages).toEqual([{ text: 'a' }, { text: 'c' }])
  })

  test('P28: EVENT frames come in order, the own included, with what was said and by whom', async () => {
    const [a, b] = [await join('order'), await join('order')]
    for (let i = 0; i < 50; i++) {
      a.append('a', i)
      b.append('b', i)
      if (i % 7 === 0) a.type('x')
    }
    await Promise.all([a.saved(), b.saved()])
    for (const room of [a, b]) {
      await until(() => room.events.length === 100, 'the messages')
      expect(seqs(room)).toEqual([...new Set(seqs(room))].sort((x, y) => x - y))
      for (const [name, sender] of [
        ['a', a],
        ['b', b],
      ] as const) {
        const own = room.events.filter((event) => event.name === name)
        expect(own.map(({ payload }) => decodeValue(payload))).toEqual(range(0, 49))
        expect(own.every(({ clientId }) => Buffer.from(clientId).equals(sender.bot.clientId))).toBe(true)
        expect(own.every(({ author }) => author === null)).toBe(true)
      }
    }
  })

  test('P28, P16: exactly once across resumes, wherever the connection is cut', async () => {
    const writer = await join('resume')
    const seen: number[] = []
    let epoch = writer.joined.epoch
    let after = 0
    for (let round = 0; round < 8; round++) {
      const bot = await open()
      const joined = await bot.joinOnly('resume', { epoch, after })
      expect(joined.mode).toBe('resume')
      const room = bot.roomOf(joined)
      for (let i = 0; i < 40; i++) {
        writer.append('n', round * 40 + i)
        if (i % 5 === 0) writer.type('x')
      }
      // Cut somewhere in the middle: what matters is what its watermark says.
      await until(() => room.events.length > round, 'some')
      if (round % 2 === 0) await until(() => room.watermark > after, 'a watermark')
      bot.terminate()
      for (const { seq } of room.events) if (seq > (seen.at(-1) ?? 0)) seen.push(seq)
      expect(seqs(room)).toEqual([...seqs(room)].sort((x, y) => x - y))
      // P29: everything up to the watermark has come.
      after = Math.max(after, room.watermark)
      epoch = joined.epoch
    }
    await writer.saved()
    const last = await (await open()).join('resume', { epoch, after })
    for (const { seq } of last.events) if (seq > (seen.at(-1) ?? 0)) seen.push(seq)
    const all = await (await open()).join('resume', { epoch, after: 0 })
    expect(all.events).toHaveLength(320)
    expect(all.messages).toEqual(range(0, 319))
    expect(seen).toEqual(seqs(all))
  })

  test('P28, I6: a resume with more messages than the socket holds loses none, and stays in order', async () => {
    const writer = await join('big messages')
    const big = 'x'.repeat(400_000)
    for (let i = 0; i < 40; i++) {
      writer.append('big', { i, big })
      // The journal is small here.
      await writer.saved()
    }
    const reader = await open()
    reader.pause()
    const request = reader.requestJoin('big messages', { epoch: writer.joined.epoch, after: 0 })
    const live = await join('big messages')
    for (let i = 40; i < 45; i++) {
      writer.append('big', { i, big })
      await writer.saved()
    }
    await until(() => live.events.length === 5, 'the live ones')
    reader.resume()
    const joined = await reader.next('joined', (frame) => frame.request === request)
    const room = reader.roomOf(joined)
    await until(() => room.events.length >= 45, 'all messages')
    expect(room.messages.map((message) => (message as { i: number }).i)).toEqual(range(0, 44))
  })

  test('P29: the watermark comes after what it covers', async () => {
    const [a, b] = [await join('watermark'), await join('watermark')]
    for (let i = 0; i < 300; i++) {
      a.append('n', i)
      if (i % 20 === 19) await a.saved()
    }
    await until(() => b.watermark >= 256, 'a watermark')
    let highest = 0
    for (const frame of b.bot.frames) {
      if (frame.type === 'event') highest = frame.seq
      if (frame.type === 'watermark') expect(frame.seq).toBeLessThanOrEqual(highest)
    }
  })
})
