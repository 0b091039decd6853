/* P36: clients that read slowly or not at all, and what they get in the end. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import WebSocket from 'ws'
import { WebsocketProvider } from 'y-websocket'
import * as Y from 'yjs'
import { startServer, type TestServer } from '../testing/start-server.js'
import { until, within } from '../testing/until.js'
import { WeftBot, type BotRoom } from '../testing/weft-bot.js'
import { YjsRaw } from '../testing/yjs-raw.js'

/** Whoever stalls here may take as long as a busy machine makes it. */
let server: TestServer
/** Closes whoever stalls for a second. */
let impatient: TestServer

beforeAll(async () => {
  const options = {
    // Little, so that a socket is soon full; what the system buffers beside it is several MB.
    maxBackpressureBytes: 512 * 1024,
    compactBytes: 1024 * 1024,
    maxPresenceEntries: 100,
  }
  server = await startServer({ ...options, slowTimeoutMs: 30_000 })
  impatient = await startServer({ ...options, slowTimeoutMs: 1_000 })
})
afterAll(async () => {
  for (const { faults } of [server, impatient]) expect(faults.slice(0, 3)).toEqual([])
  await Promise.all([server.dispose(), impatient.dispose()])
})

const behind = (at = server): Promise<number> => at.metric('weft_backpressure_total')
const join = async (name: string, at = server): Promise<BotRoom> =>
  await (await WeftBot.open(at.wsUrl)).join(name)
const cells = (doc: Y.Doc): unknown => doc.getMap('cells').toJSON()

/** Writes cells of `size` characters and messages, a few at a time: the document stays small, the traffic does not. */
class Writer {
  readonly room: BotRoom
  private readonly size: number
  private written = 0

  constructor(room: BotRoom, size: number) {
    this.room = room
    this.size = size
  }

  async write(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      const n = this.written++
      this.room.edit((_text, doc) => {
        doc.getMap('cells').set(String(n % 8), `${n} ${'x'.repeat(this.size)}`)
      })
      this.room.append('n', { n, fill: 'y'.repeat(this.size) })
      if (i % 8 === 7) await this.room.saved()
    }
    await this.room.saved()
  }

  /** Writes until `condition`, and somewhat more. */
  async writeUntil(condition: () => Promise<boolean>): Promise<void> {
    const start = performance.now()
    while (!(await condition())) {
      if (performance.now() - start > 15_000) throw new Error('the sockets do not fill up')
      await this.write(40)
    }
    await this.write(24)
  }
}

/**
 * Messages come in seq order. Some may come again; but never one before those that precede it, or a client that keeps the
 * highest seq that it has seen would lose them.
 */
const expectEveryMessage = (reader: BotRoom, all: BotRoom): void => {
  const expected = all.events.map(({ seq }) => seq)
  const first = reader.events[0]?.seq ?? 0
  let next = expected.indexOf(first)
  let highest = 0
  for (const { seq } of reader.events) {
    if (seq <= highest) continue
    expect(seq).toBe(expected[next])
    highest = seq
    next++
  }
  expect(next).toBe(expected.length)
}

describe('P36: a client that stops reading', () => {
  test.each([15_000, 17_000])(
    'with frames of %i bytes: it is caught up completely, and nobody else waits',
    async (size) => {
      const name = `slow ${size}`
      const [writer, watcher, reader] = [await join(name), await join(name), await join(name)]
      const second = await reader.bot.join(`${name} 2`)
      const stock = await YjsRaw.open(server.wsUrl, encodeURIComponent(name))
      const before = await behind()
      reader.bot.pause()
      stock.pause()
      const write = new Writer(writer, size)
      await write.writeUntil(async () => (await behind()) >= before + 2)
      // All rooms of a socket that is behind are suspended, and caught up.
      const elsewhere = await join(`${name} 2`)
      elsewhere.type('meanwhile')
      elsewhere.append('meanwhile', 1)
      await elsewhere.saved()
      await until(
        () => watcher.events.length === writer.events.length,
        'the watcher, while others do not read',
      )
      expect(cells(watcher.doc)).toEqual(cells(writer.doc))

      reader.bot.resume()
      stock.resume()
      await until(() => reader.events.at(-1)?.seq === writer.events.at(-1)?.seq, 'the messages')
      const content = JSON.stringify(cells(writer.doc))
      await until(() => JSON.stringify(cells(reader.doc)) === content, 'the updates')
      await until(() => JSON.stringify(cells(stock.doc)) === content, 'the updates of the stock client')
      await until(() => second.text === 'meanwhile' && second.events.length === 1, 'the other room')
      expectEveryMessage(reader, writer)

      // Live again.
      await write.write(4)
      await until(() => reader.events.at(-1)?.seq === writer.events.at(-1)?.seq, 'live messages')
      await until(
        () => JSON.stringify(cells(stock.doc)) === JSON.stringify(cells(writer.doc)),
        'live updates',
      )
      for (const room of [writer, watcher, reader, elsewhere]) await room.bot.close()
      await stock.close()
    },
  )

  test('P28: one that reads by fits and starts gets every message in order', async () => {
    const [writer, reader, other] = [await join('fits'), await join('fits'), await join('fits')]
    const write = new Writer(writer, 16_000)
    for (let round = 0; round < 3; round++) {
      const before = await behind()
      reader.bot.pause()
      await write.writeUntil(async () => (await behind()) > before)
      // A little at a time, while more is published: the socket goes under its limit and over it again.
      for (let i = 0; i < 40; i++) {
        reader.bot.resume()
        await new Promise((resolve) => setImmediate(resolve))
        reader.bot.pause()
        await write.write(2)
      }
      reader.bot.resume()
      const seen = reader.events.length
      await until(() => reader.events.length > seen, 'it reads')
    }
    await until(() => reader.events.at(-1)?.seq === writer.events.at(-1)?.seq, 'the messages')
    expectEveryMessage(reader, writer)
    await until(() => JSON.stringify(cells(reader.doc)) === JSON.stringify(cells(writer.doc)), 'the updates')
    // P29: a watermark never comes before what it covers.
    let highest = 0
    for (const frame of reader.bot.frames) {
      if (frame.type === 'event') highest = Math.max(highest, frame.seq)
      const unseen = (seq: number): boolean =>
        writer.events.some((event) => event.seq <= seq && event.seq > highest)
      if (frame.type === 'watermark') expect(unseen(frame.seq)).toBe(false)
    }
    for (const room of [writer, reader, other]) await room.bot.close()
  })

  test('an unmodified provider whose socket stalls is caught up', async () => {
    const doc = new Y.Doc()
    const provider = new WebsocketProvider(`${server.wsUrl}/yjs`, 'stalled', doc, {
      WebSocketPolyfill: WebSocket as unknown as typeof globalThis.WebSocket,
      disableBc: true,
    })
    try {
      await until(() => provider.synced, 'synced')
      const writer = await join('stalled')
      const before = await behind()
      const ws = provider.ws as unknown as WebSocket
      ws.pause()
      await new Writer(writer, 20_000).writeUntil(async () => (await behind()) > before)
      ws.resume()
      await until(() => JSON.stringify(cells(doc)) === JSON.stringify(cells(writer.doc)), 'the updates')
      expect(provider.ws).toBe(ws)
      await writer.bot.close()
    } finally {
      provider.destroy()
      provider.awareness.destroy()
    }
  })

  test('presence is dropped first, and brought up to date in the end', async () => {
    const [writer, reader] = [await join('presence'), await join('presence')]
    const before = await behind()
    reader.bot.pause()
    await new Writer(writer, 30_000).writeUntil(async () => (await behind()) > before)
    const frames = reader.bot.frames.length
    for (let i = 1; i <= 50; i++) writer.show(7, i, { at: i })
    await writer.bot.flush()
    await until(
      () => (writer.presence.get(7)?.state as { at?: number } | undefined)?.at === 50,
      'at the sender',
    )
    reader.bot.resume()
    await until(
      () => (reader.presence.get(7)?.state as { at?: number } | undefined)?.at === 50,
      'the last state',
    )
    const shown = reader.bot.frames.slice(frames).filter(({ type }) => type === 'presences')
    expect(shown.length).toBeLessThanOrEqual(2)
    for (const room of [writer, reader]) await room.bot.close()
  })

  test('one that never reads again is closed with 4504, in both dialects; its memory is given back', async () => {
    const [writer, reader] = [await join('never', impatient), await join('never', impatient)]
    const stock = await YjsRaw.open(impatient.wsUrl, 'never')
    reader.bot.pause()
    stock.pause()
    // Not until both are behind: on a slow machine one is closed before so much has been written.
    await new Writer(writer, 30_000).writeUntil(
      async () => (await impatient.metric('weft_errors_total', 'slow')) >= 2,
    )
    // The close frame itself is dropped when too much waits before it.
    reader.bot.resume()
    expect([4504, 1006]).toContain((await within(reader.bot.closed, 'the close')).code)
    // The other does not keep its socket.
    await until(async () => (await impatient.metric('weft_connections')) === 1, 'the connections gone')
    stock.resume()
    await within(stock.closed, 'the close')
    await writer.bot.close()
  })
})

describe('P17, P39: a large document', () => {
  test('comes in parts to one who stalls while it joins, in both dialects, with what is typed meanwhile', async () => {
    const writer = await join('large')
    for (let i = 0; i < 30; i++) {
      writer.type(String.fromCharCode(97 + (i % 26)).repeat(500_000))
      await writer.saved()
    }
    await until(async () => (await server.metric('weft_compaction_seconds_count')) > 0, 'a base')
    const bot = await WeftBot.open(server.wsUrl)
    bot.pause()
    const request = bot.requestJoin('large')
    const stock = await YjsRaw.connect(server.wsUrl, 'large')
    stock.pause()
    stock.step1()
    for (let i = 0; i < 20; i++) {
      writer.type('!')
      writer.append('n', i)
      await writer.saved()
    }
    // Others do not wait for the stalled.
    expect((await join('large')).text.length).toBe(writer.text.length)
    bot.resume()
    stock.resume()
    const room = bot.roomOf(await bot.next('joined', (frame) => frame.request === request))
    await bot.next('sync', ({ part }) => part === 'done')
    expect(room.text).toBe(writer.text)
    await until(() => stock.count('step2') === 1, 'the step 2')
    expect(stock.text).toBe(writer.text)
    writer.type('live')
    await until(() => room.text === writer.text && stock.text === writer.text, 'live edits')
    await Promise.all([writer.bot.close(), bot.close(), stock.close()])
  })

  test('P15: what a member that leaves in the middle was still owed does not come', async () => {
    const bot = await WeftBot.open(server.wsUrl)
    const { joined } = await bot.join('large')
    const leave = async (): Promise<void> => {
      bot.send({ type: 'leave', room: joined.room })
      await bot.next('left')
    }
    await leave()
    const members = await server.metric('weft_members')
    bot.pause()
    const request = bot.requestJoin('large')
    await until(async () => (await server.metric('weft_members')) === members + 1, 'the membership')
    bot.send({ type: 'leave', room: joined.room })
    await until(async () => (await server.metric('weft_members')) === members, 'its end')
    // Joined again before the first answer has been read.
    const again = bot.requestJoin('large')
    bot.resume()
    await bot.next('joined', (frame) => frame.request === request)
    await bot.next('left')
    const room = bot.roomOf(await bot.next('joined', (frame) => frame.request === again))
    await bot.next('sync', ({ part }) => part === 'done')
    expect(room.text.length).toBeGreaterThan(15_000_000)
    expect(bot.frames.filter((frame) => frame.type === 'sync' && frame.part === 'done')).toHaveLength(2)
    expect(await bot.joinRefused('large')).toMatchObject({ code: 'already_joined' })
    await bot.close()
  })
})
