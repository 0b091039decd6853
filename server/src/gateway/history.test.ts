/* P50 to P53: what clients ask of a room's past, on a real PostgreSQL. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import sql from 'postgres'
import { decodeValue, encodeServerFrame } from '@weft/protocol'
import { openStore } from '../store/index.js'
import { FaultyStore, Ledger } from '../testing/faulty-store.js'
import { startPostgres, type TestPostgres } from '../testing/postgres.js'
import { startServer, type TestServer } from '../testing/start-server.js'
import { makeToken, testSecret } from '../testing/tokens.js'
import { until } from '../testing/until.js'
import { WeftBot, type BotRoom, type HistoryOptions } from '../testing/weft-bot.js'

let postgres: TestPostgres
let databaseUrl: string
let server: TestServer
const bots: WeftBot[] = []

const maxFrameBytes = 64 * 1024

beforeAll(async () => {
  postgres = await startPostgres()
  databaseUrl = await postgres.createDatabase()
  server = await startServer({
    databaseUrl,
    jwtSecret: testSecret,
    maxFrameBytes,
    maxUpdateBytes: 32 * 1024,
    compactBytes: 1024,
  })
})
afterEach(() => {
  for (const bot of bots.splice(0)) bot.terminate()
})
afterAll(async () => {
  expect(server.faults).toEqual([])
  await server.dispose()
  await postgres.dispose()
})

const open = async (sub = 'ada', access: 'read' | 'write' = 'write', to = server): Promise<WeftBot> => {
  const token = await makeToken({ '*': access }, { user: sub })
  const bot = await WeftBot.open(to.wsUrl, { token })
  bots.push(bot)
  return bot
}
const join = async (name: string): Promise<BotRoom> => await (await open()).join(name)

/** All of the past, page by page. */
const walk = async (
  room: BotRoom,
  from: 'start' | 'end',
  limit: number,
): Promise<{ seqs: number[]; pages: number }> => {
  let seqs: number[] = []
  let options: HistoryOptions = from === 'start' ? { after: 0, limit } : { limit }
  for (let pages = 1; ; pages++) {
    const { events, more } = await room.history(options)
    const page = events.map(({ seq }) => seq)
    seqs = from === 'start' ? [...seqs, ...page] : [...page, ...seqs]
    if (!more) return { seqs, pages }
    options = from === 'start' ? { after: seqs.at(-1) ?? 0, limit } : { before: seqs[0] ?? 0, limit }
  }
}

describe('a page', () => {
  test('P50: a member asks for the past, also one that may only read; it holds what EVENT held', async () => {
    const ada = await join('past')
    for (let i = 0; i < 5; i++) ada.append('said', { i })
    ada.type('between')
    ada.append('said', { i: 5 })
    await ada.saved()
    const reader = await (await open('bob', 'read')).join('past')
    expect(reader.events).toEqual([])
    const { events, more } = await reader.history({ limit: 2 })
    expect(more).toBe(true)
    expect(events.map(({ seq, payload }) => [seq, decodeValue(payload)])).toEqual([
      [5, { i: 4 }],
      [7, { i: 5 }],
    ])
    await until(() => ada.events.length === 6, 'the events')
    for (const event of events) {
      const sent = ada.events.find(({ seq }) => seq === event.seq)
      // The time in EVENT is that of the node, in the log that of the database.
      expect({ ...event, time: 0 }).toEqual({ ...sent, type: undefined, room: undefined, time: 0 })
    }
  })

  test('P51, P52: pages join up in both directions, below the limit of a frame, and across compaction', async () => {
    const ada = await join('pages')
    const said: number[] = []
    for (let i = 0; i < 12; i++) {
      ada.type('x'.repeat(500))
      ada.append('large', 'y'.repeat(20_000))
      said.push(2 * i + 2)
    }
    await ada.saved()
    await until(async () => (await server.metric('weft_compaction_seconds_count')) > 0, 'a compaction')
    for (const from of ['start', 'end'] as const) {
      const { seqs, pages } = await walk(ada, from, 1000)
      expect(seqs).toEqual(said)
      expect(pages).toBe(4)
      expect((await walk(ada, from, 2)).pages).toBe(6)
    }
    for (const frame of ada.bot.frames) {
      if (frame.type === 'historyPage') expect(encodeServerFrame(frame).length).toBeLessThan(maxFrameBytes)
    }
  })

  test('P50, P53: asked for right behind JOIN, and for two rooms at once', async () => {
    const ada = await join('one')
    ada.append('said', 1)
    await ada.saved()
    const bot = await open()
    const joined = await bot.joinOnly('one')
    const first = bot.askHistory(joined.room)
    const other = bot.askHistory((await bot.join('another')).number)
    const page = await bot.next('historyPage', ({ request }) => request === first)
    expect(page.events.map(({ seq }) => seq)).toEqual([1])
    expect((await bot.next('historyPage', ({ request }) => request === other)).events).toEqual([])
  })
})

describe('a refusal', () => {
  test('P50: a room that the connection is not in, or leaves before the answer', async () => {
    const ada = await join('left')
    const strange = ada.bot.askHistory(ada.number + 1000)
    expect(await ada.bot.next('error')).toMatchObject({ request: strange, code: 'not_joined' })
    postgres.pause()
    const asked = ada.bot.askHistory(ada.number)
    ada.bot.send({ type: 'leave', room: ada.number })
    await ada.bot.next('left')
    postgres.resume()
    expect(await ada.bot.next('error')).toMatchObject({ request: asked, code: 'not_joined' })
  })

  test('P53: more than 4 requests at once are overloaded; those before are answered, and so is a later one', async () => {
    const ada = await join('many')
    postgres.pause()
    const asked = [1, 2, 3, 4, 5, 6].map(() => ada.bot.askHistory(ada.number))
    for (const request of asked.slice(4)) {
      expect(await ada.bot.next('error')).toMatchObject({ request, code: 'overloaded' })
    }
    postgres.resume()
    for (const asking of asked.slice(0, 4))
      await ada.bot.next('historyPage', ({ request }) => request === asking)
    expect((await ada.history()).events).toEqual([])
  })

  test('P50: a room that was deleted, although the node has not heard of it', async () => {
    const ada = await join('deleted')
    ada.append('said', 1)
    await ada.saved()
    const database = sql(databaseUrl, { max: 1 })
    await database`update rooms set deleted_at = now() where name = 'deleted'`
    await database.end()
    const asked = ada.bot.askHistory(ada.number)
    expect(await ada.bot.next('error')).toMatchObject({ request: asked, code: 'room_deleted' })
  })

  test('P50: while the log cannot be read', async () => {
    const log = { info: () => undefined, warn: () => undefined, error: () => undefined }
    const inner = await openStore({ databaseUrl, dataDir: '/nonexistent', logger: log })
    const store = new FaultyStore(inner, new Ledger(), () => Promise.resolve())
    const other = await startServer({ store, jwtSecret: testSecret })
    const ada = await (await open('ada', 'write', other)).join('unreadable')
    store.kill()
    const asked = ada.bot.askHistory(ada.number)
    expect(await ada.bot.next('error')).toMatchObject({ request: asked, code: 'load_failed' })
    await other.dispose()
    await inner.close()
  })

  test('P50: a limit out of its bounds is no frame', async () => {
    const ada = await join('bounds')
    ada.bot.askHistory(ada.number, { limit: 1001 })
    expect(await ada.bot.closed).toMatchObject({ code: 4400 })
  })
})
