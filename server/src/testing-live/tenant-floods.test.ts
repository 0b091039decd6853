import * as encoding from 'lib0/encoding'
import { afterAll, beforeAll, expect, test } from 'vitest'
import WebSocket from 'ws'
import { encodeClientFrame, encodeValue } from '@weft/protocol'
import { startServer, type TestServer } from '../testing/start-server.js'
import { makeToken, testSecret } from '../testing/tokens.js'
import { until } from '../testing/until.js'
import { WeftBot, type BotRoom } from '../testing/weft-bot.js'

/* One tenant floods the node, within all limits of its connections. Another one notices little. */

let server: TestServer
let bots: WeftBot[] = []

beforeAll(async () => {
  server = await startServer({ jwtSecret: testSecret })
})

afterAll(async () => {
  for (const bot of bots) bot.terminate()
  bots = []
  await server.dispose()
})

const open = async (tenant: string): Promise<WeftBot> => {
  const bot = await WeftBot.open(server.wsUrl, { token: await makeToken({ '*': 'admin' }, { tenant }) })
  bots.push(bot)
  return bot
}

test('P83, I7: an edit of one tenant is not behind the broadcasts that another has sent before it', async () => {
  const typist = await (await open('blue')).join('calm')
  const reader = await (await open('blue')).join('calm')
  const crowd: BotRoom[] = []
  for (let i = 0; i < 20; i++) crowd.push(await (await open('red')).join('storm'))
  const deliveries = async (): Promise<number> => await server.metric('weft_deliveries_total', 'weft')
  const before = await deliveries()
  const flood = { senders: 4, broadcasts: 2_000 }
  for (const { bot, number } of crowd.slice(0, flood.senders)) {
    const frame = encodeClientFrame({
      type: 'broadcast',
      room: number,
      name: 'noise',
      payload: encodeValue(null),
    })
    for (let i = 0; i < flood.broadcasts; i++) bot.raw(frame)
  }
  typist.type('heard')
  await until(() => reader.text === 'heard', 'the edit of the other tenant')
  const all = flood.senders * flood.broadcasts * (crowd.length - 1)
  expect((await deliveries()) - before).toBeLessThan(all / 2)
  // Nothing is lost, and nobody is closed: it comes later.
  await Promise.all(crowd.map(({ bot }) => bot.flush()))
  expect((await deliveries()) - before).toBeGreaterThanOrEqual(all)
})

test('P63, P75, I7: a stranger with forged tokens is heard for a while, and then closed; an edit is not behind all of them', async () => {
  const typist = await (await open('blue')).join('quiet')
  const reader = await (await open('blue')).join('quiet')
  const forged = await makeToken({ '*': 'admin' }, { secret: 'another secret for tests, of 32 bytes' })
  const strangers = await Promise.all(
    Array.from({ length: 3 }, async () => {
      const ws = new WebSocket(`${server.wsUrl}/hocuspocus`)
      const closed = new Promise<number>((resolve) => ws.on('close', resolve))
      ws.on('error', () => undefined)
      await new Promise((resolve) => ws.on('open', resolve))
      return { ws, closed }
    }),
  )
  const refused = async (): Promise<number> => await server.metric('weft_errors_total', 'unauthorized')
  const before = await refused()
  for (const { ws } of strangers)
    for (let i = 0; i < 1_000; i++) {
      const message = encoding.createEncoder()
      encoding.writeVarString(message, `room ${i % 10}`)
      for (const number of [2, 0]) encoding.writeVarUint(message, number)
      for (const text of [forged, '4.0.0']) encoding.writeVarString(message, text)
      ws.send(encoding.toUint8Array(message))
    }
  typist.type('heard')
  await until(() => reader.text === 'heard', 'the edit')
  expect((await refused()) - before).toBeLessThan(900)
  for (const { closed } of strangers) expect(await closed).toBe(4529)
})

test('P34, I6: what one tenant shows in all of its rooms is bounded; another one shows itself', async () => {
  const bot = await open('red')
  const state = 'x'.repeat(16_000)
  const room = await bot.join('posters')
  // More than one room shows: 4 MiB.
  const others: BotRoom[] = []
  for (let i = 0; i < 20; i++) others.push(await (await open('red')).join('posters'))
  let id = 1
  for (const member of others)
    for (let i = 0; i < 16; i++) {
      member.show(id++, 1, state)
      await member.bot.flush()
    }
  const refused = others.flatMap(({ bot: { frames } }) => frames).filter(({ type }) => type === 'error')
  expect(new Set(refused.map((frame) => ('code' in frame ? frame.code : '')))).toEqual(
    new Set(['overloaded']),
  )
  expect(room.presence.size).toBeLessThanOrEqual((4 * 1024 * 1024) / state.length)
  const [ada, bob] = [await (await open('blue')).join('posters'), await (await open('blue')).join('posters')]
  ada.show(7, 1, state)
  await until(() => bob.presence.has(7), 'the presence of the other tenant')
})
