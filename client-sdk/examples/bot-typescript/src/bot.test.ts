import { once } from 'node:events'
import { spawn } from 'node:child_process'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { createClient, type Client } from '@weft/client'
import {
  makeDataDir,
  makeToken,
  serverProcess,
  testSecret,
  until,
  within,
  type ServerProcess,
  type TempDir,
} from '@weft/server/testing'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import WebSocket from 'ws'
import { WebsocketProvider } from 'y-websocket'
import * as Y from 'yjs'
import { Bot, type BotEvent, type BotOptions, type Other } from './bot.js'
import { past } from './past.js'

/* The bot against a server process, which is killed in the middle. */

let dir: TempDir
let server: ServerProcess
const ends: (() => void)[] = []

beforeAll(async () => {
  dir = await makeDataDir()
  server = await serverProcess({ DATA_DIR: dir.path })
  server.spawn()
  await server.untilUp()
})

afterEach(() => {
  for (const end of ends.splice(0)) end()
})

afterAll(async () => {
  await server.terminate()
  await dir.remove()
})

interface Member {
  readonly bot: Bot
  readonly events: BotEvent[]
}

const enter = async (room: string, options: Partial<BotOptions> = {}): Promise<Member> => {
  // Retries come soon, and are drawn all the same.
  const bot = new Bot({ url: server.url, room, random: () => Math.random() / 5, ...options })
  ends.push(() => bot.close())
  const events: BotEvent[] = []
  bot.on('event', (event) => events.push(event))
  await within(bot.live(), 'the bot is live')
  return { bot, events }
}

const write = (doc: Y.Doc, text: string): void => doc.getText('text').insert(0, text)
const textOf = (doc: Y.Doc): string => doc.getText('text').toJSON()
const nameOf = ({ state }: Other): string => (state as { name: string }).name
const namesOf = (bot: Bot): string => [...bot.others.values()].map(nameOf).sort().join()

test('bots, an SDK client and a stock client edit one document, and see each other (P24, P30, P33)', async () => {
  const [{ bot: a }, { bot: b }] = await Promise.all([enter('all'), enter('all')])
  const client: Client = createClient({ url: server.url })
  const room = client.room<{ name: string }>('all')
  const stock = new WebsocketProvider(`${server.url}/yjs`, 'all', new Y.Doc(), {
    WebSocketPolyfill: WebSocket as unknown as typeof globalThis.WebSocket,
    disableBc: true,
  })
  ends.push(
    () => client.close(),
    () => stock.destroy(),
  )
  await room.synced()
  a.show({ name: 'a' })
  room.presence.set({ name: 'sdk' })
  stock.awareness.setLocalState({ name: 'stock' })

  await Promise.all([a.edit((doc) => write(doc, 'a')), b.edit((doc) => write(doc, 'b'))])
  write(room.doc, 'c')
  write(stock.doc, 'd')
  const docs = [a.doc, b.doc, room.doc, stock.doc]
  await until(() => docs.every((doc) => textOf(doc).length === 4), 'everybody has everything')
  expect(new Set(docs.map(textOf)).size).toBe(1)
  await until(() => namesOf(b) === 'a,sdk,stock', 'b sees all others')
  a.close()
  await until(() => namesOf(b) === 'sdk,stock', 'b sees a leave (P32)')
})

test('the log is the same at each bot, each message once, over a kill of the server (P21, P27, P28)', async () => {
  const [a, b] = await Promise.all([enter('log'), enter('log')])
  const lost = within(new Promise<void>((resolve) => a.bot.once('lost', () => resolve())), 'the loss')
  const seqs: Promise<number>[] = []
  const say = (count: number): void => {
    for (let i = 0; i < count; i++) {
      seqs.push(a.bot.append('say', { i: seqs.length }), b.bot.append('say', { i: seqs.length + 1 }))
      write(a.bot.doc, 'a')
      write(b.bot.doc, 'b')
    }
  }
  say(20)
  await seqs[0]
  // What is on its way now is committed and not acknowledged, or neither.
  say(20)
  await server.kill()
  await lost
  say(20)
  server.spawn()
  const told = await Promise.all(seqs)
  await Promise.all([a.bot.saved(), b.bot.saved()])
  await until(() => a.events.length >= 120 && b.events.length >= 120, 'all messages at both')

  expect(a.events.map(({ seq }) => seq)).toEqual([...told].sort((x, y) => x - y))
  expect(b.events.map(({ seq, payload }) => [seq, payload])).toEqual(
    a.events.map(({ seq, payload }) => [seq, payload]),
  )
  expect(a.events.filter(({ own }) => own)).toHaveLength(60)
  await until(() => textOf(a.bot.doc).length === 120 && textOf(b.bot.doc).length === 120, 'all edits at both')
  expect(textOf(a.bot.doc)).toBe(textOf(b.bot.doc))
})

test('the past and what comes are the whole log, each message once, over a kill of the server (P50 to P53)', async () => {
  const [writer, witness] = [await enter('past'), await enter('past')]
  await Promise.all(Array.from({ length: 1_100 }, (_, i) => writer.bot.append('say', i)))
  const { bot, events } = await enter('past')
  const read: BotEvent[] = []
  const said: Promise<number>[] = []
  for await (const event of past(bot)) {
    read.push(event)
    // Between the first page and the second.
    if (read.length === 900) {
      said.push(...[1_100, 1_101].map((i) => writer.bot.append('say', i)))
      await server.kill()
      server.spawn()
    }
  }
  await Promise.all(said)
  await until(() => [events, witness.events].every((log) => log.at(-1)?.payload === 1_101), 'the last one')
  const log = [...read, ...events].map(({ seq, payload }) => [seq, payload])
  expect(log).toEqual(witness.events.map(({ seq, payload }) => [seq, payload]))
  expect(log.map(([, payload]) => payload)).toEqual(Array.from({ length: 1_102 }, (_, i) => i))

  // The newest before what has come, oldest first.
  const page = await bot.history({ before: 1_000, limit: 2 })
  expect([page.events.map(({ seq }) => seq), page.more]).toEqual([[998, 999], true])
  expect((await writer.bot.history({ limit: 1 })).events[0]).toMatchObject({ payload: 1_101, own: true })
  await expect(bot.history({ after: 0, limit: 1, before: 1 })).resolves.toEqual({ events: [], more: false })
})

/** A network between a bot and the server that loses the answers, until it is cut. */
const lossyNetwork = async (): Promise<{ url: string; loseAnswers(): void; cut(): void }> => {
  let lost = false
  const sockets = new Set<Socket>()
  const proxy = createServer((client) => {
    const upstream = connect(server.port, '127.0.0.1')
    for (const socket of [client, upstream]) sockets.add(socket.on('error', () => undefined))
    client.on('data', (data) => upstream.write(data)).on('close', () => upstream.destroy())
    upstream.on('data', (data) => lost || client.write(data)).on('close', () => client.destroy())
  })
  await once(proxy.listen(0, '127.0.0.1'), 'listening')
  const cut = (): void => {
    for (const socket of sockets) socket.destroy()
    sockets.clear()
    lost = false
  }
  ends.push(cut, () => proxy.close())
  return {
    url: `ws://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    loseAnswers: () => void (lost = true),
    cut,
  }
}

test('changes whose answers were lost are there once (P21, P22, P27, P28)', async () => {
  const network = await lossyNetwork()
  const [other, { bot, events }] = await Promise.all([
    enter('answers'),
    enter('answers', { url: network.url }),
  ])
  network.loseAnswers()
  const answered: number[] = []
  const said = [0, 1, 2, 3, 4].map(async (i) => {
    write(bot.doc, 'x')
    const seq = await bot.append('say', i)
    answered.push(seq)
    return seq
  })
  await until(() => other.events.length === 5, 'they are committed')
  expect(answered).toEqual([])
  network.cut()
  const seqs = await Promise.all(said)
  const last = await bot.append('say', 'last')
  await until(() => [events, other.events].every((log) => log.at(-1)?.seq === last), 'the last one')
  const expected = [...seqs.map((seq, i) => [seq, i]), [last, 'last']]
  for (const log of [events, other.events])
    expect(log.map(({ seq, payload }) => [seq, payload])).toEqual(expected)
  expect(textOf(other.bot.doc)).toBe('xxxxx')
})

test('a message that is refused for good is told, and the bot goes on (P23)', async () => {
  const { bot, events } = await enter('refusals')
  await expect(bot.append('much', 'x'.repeat(70_000))).rejects.toMatchObject({ code: 'too_large' })
  await bot.append('little', 'x')
  await until(() => events.length === 1, 'the other message')
  expect(events[0]).toMatchObject({ name: 'little', own: true })
})

test('an update that is too large ends the bot: its document and the room would not meet again (P25)', async () => {
  const { bot } = await enter('too large')
  const ended = within(new Promise<Error>((resolve) => bot.once('end', resolve)), 'the end')
  await expect(bot.edit((doc) => write(doc, 'x'.repeat(17 * 1024 * 1024)))).rejects.toMatchObject({
    code: 'too_large',
  })
  expect(await ended).toMatchObject({ code: 'too_large' })
})

test('who shows and says something is who the token says, whatever they call themselves (P58)', async () => {
  const folder = await makeDataDir()
  const guarded = await serverProcess({ DATA_DIR: folder.path, JWT_SECRET: testSecret })
  guarded.spawn()
  await guarded.untilUp()
  ends.push(() => void guarded.kill().then(() => folder.remove()))
  const as = (user: string): Promise<Member> =>
    enter('users', { url: guarded.url, token: () => makeToken({ users: 'write' }, { user }) })
  const [ada, bob] = [await as('ada'), await as('bob')]
  ada.bot.show({ name: 'Bob' })
  bob.bot.show({ name: 'Bob' })
  await until(() => ada.bot.others.size === 1 && bob.bot.others.size === 1, 'they see each other')
  expect([...bob.bot.others.values()]).toEqual([{ user: 'ada', state: { name: 'Bob' } }])
  expect([...ada.bot.others.values()]).toEqual([{ user: 'bob', state: { name: 'Bob' } }])
  await ada.bot.append('say', 'who am I?')
  await until(() => bob.events.length === 1, 'the message')
  expect(bob.events[0]).toMatchObject({ author: 'ada', own: false })
  expect((await ada.bot.history()).events).toMatchObject([{ author: 'ada', own: true }])
})

test('the command line reads the log from its beginning, writes, and follows', async () => {
  const { bot } = await enter('command line')
  for (const i of [1, 2]) await bot.append('say', i)
  const main = fileURLToPath(new URL('../dist/main.js', import.meta.url))
  const args = ['--url', server.url, '--room', 'command line', '--write', 'a line', '--say', 'hi', '--follow']
  const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  ends.push(() => child.kill('SIGKILL'))
  let said = ''
  child.stdout.on('data', (data: Buffer) => (said += data.toString()))
  await until(() => said.includes('committed as #4'), 'the message')
  await until(() => textOf(bot.doc) === 'a line\n', 'the line')
  await bot.append('say', 3)
  await until(() => said.includes('#5 somebody: say 3'), 'what came after it')
  const log = said.split('\n').filter((line) => line.startsWith('#'))
  expect(log.map((line) => line.split(' ')[0])).toEqual(['#1', '#2', '#4', '#5'])
  child.kill('SIGINT')
  expect(await once(child, 'exit')).toEqual([0, null])
})
