/*
 * Frames of all dialects, valid and broken, over real sockets to a live server, while two honest people type in a room of
 * their own. `WEFT_FUZZ_SOCKET_FRAMES` sets how many frames in all, `WEFT_FUZZ_SEED` where the seeds begin.
 */
import { connect } from 'node:net'
import WebSocket from 'ws'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { decodeServerFrame, encodeClientFrame, PROTOCOL_VERSION } from '@weft/protocol'
import * as encoding from 'lib0/encoding'
import { seededRandom, type Random } from '../crdt/testing/random.js'
import { startServer, type TestServer } from '../testing/start-server.js'
import { until, within } from '../testing/until.js'
import { WeftBot, type BotRoom } from '../testing/weft-bot.js'
import { dialects, makeFrame, makePool, type Dialect } from './frames.js'

const frames = Number(process.env['WEFT_FUZZ_SOCKET_FRAMES'] ?? 3_000)
const requests = Number(process.env['WEFT_FUZZ_REQUESTS'] ?? 500)
const firstSeed = Number(process.env['WEFT_FUZZ_SEED'] ?? 1)
/** Sockets at once, and frames on each: most are closed at the first that is broken. */
const abreast = 16
const burst = 10

let server: TestServer
let one: BotRoom
let other: BotRoom

beforeAll(async () => {
  server = await startServer({ roomIdleMs: 0, maxEventBytes: 1_024, maxPresenceBytes: 256 })
  one = await (await WeftBot.open(server.wsUrl)).join('witness')
  other = await (await WeftBot.open(server.wsUrl)).join('witness')
})
afterAll(() => server.dispose())

let typed = ''
let typing: Promise<void> = Promise.resolve()
/** One after the other: one ACK may stand for two changes (P22), and would be heard by one of those who wait. */
const typeOne = (): Promise<void> => (typing = typing.then(typeNow))
const typeNow = async (): Promise<void> => {
  const letter = String.fromCharCode(97 + (typed.length % 26))
  typed += letter
  one.type(letter)
  await one.saved()
  await until(() => other.text === typed, 'what the other sees')
}

const urls: Record<Dialect, (name: string) => string> = {
  weft: () => '/v1/connect',
  yjs: (name) => `/yjs/${name}`,
  hocuspocus: () => '/hocuspocus',
}

/** What makes the frames that follow count: a HELLO and a JOIN, a token. */
const opening = (dialect: Dialect, name: string): Uint8Array[] => {
  if (dialect === 'yjs') return []
  if (dialect === 'hocuspocus') {
    const token = encoding.encode((to) => {
      encoding.writeVarString(to, name)
      encoding.writeVarUint(to, 2)
      encoding.writeVarUint(to, 0)
      encoding.writeVarString(to, 'token')
      encoding.writeVarString(to, '4')
    })
    return [token]
  }
  const clientId = new Uint8Array(16).fill(name.length)
  return [
    encodeClientFrame({ type: 'hello', version: PROTOCOL_VERSION, token: null, clientId, agent: 'fuzz' }),
    encodeClientFrame({ type: 'join', request: 0, room: name, epoch: null, after: null, stateVector: null }),
  ]
}

/** @returns the close code, and how many messages came back */
const socket = async (seed: number): Promise<{ code: number; answers: number }> => {
  const random = seededRandom(seed)
  const dialect = random.pick(dialects)
  const pool = makePool(random)
  // Some are in one room together, in whatever dialect.
  const name = `fuzz-${seed % 40}`
  const ws = new WebSocket(server.wsUrl + urls[dialect](name))
  let answers = 0
  const joined = new Promise<number>((resolve) => {
    ws.on('message', (data: Buffer) => {
      answers++
      if (dialect !== 'weft') return
      const frame = decodeServerFrame(new Uint8Array(data))
      if (frame.type === 'joined') resolve(frame.room)
    })
  })
  ws.on('error', () => undefined)
  const closed = new Promise<number>((resolve) => ws.on('close', resolve))
  await within(new Promise((resolve) => ws.once('open', resolve)), `the connection, seed ${seed}`)
  for (const frame of opening(dialect, name)) ws.send(frame)
  const room = dialect === 'weft' ? await within(joined, `JOINED, seed ${seed}`) : 0
  const target = { room, n: 1, name }
  for (let i = 0; i < burst; i++) ws.send(makeFrame(dialect, random, pool, target))
  ws.close(1000)
  return { code: await within(closed, `the close, seed ${seed}`), answers }
}

const inParallel = async (count: number, run: (index: number) => Promise<void>): Promise<void> => {
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < count) await run(next++)
  }
  await Promise.all(Array.from({ length: abreast }, worker))
}

test(
  'I7: no frame of any dialect stops the server, leaves a room behind, or reaches another room',
  async () => {
    const count = Math.ceil(frames / burst)
    const codes = new Map<number, number>()
    let answers = 0
    let warm = 0
    await inParallel(count, async (index) => {
      const result = await socket(firstSeed + index)
      codes.set(result.code, (codes.get(result.code) ?? 0) + 1)
      answers += result.answers
      if (index === Math.floor(count / 4)) warm = process.memoryUsage().rss
      if (index % 25 === 0) await typeOne()
    }).catch((error: unknown) => {
      throw new Error(`repeat it with WEFT_FUZZ_SEED=${firstSeed}`, { cause: error })
    })
    await until(() => server.server.openRooms === 1, 'every room but one closes')
    await typeOne()
    expect(one.text).toBe(typed)
    expect(one.events).toEqual([])
    expect(one.presence.size).toBe(0)
    const late = await WeftBot.open(server.wsUrl)
    expect((await late.join('witness')).text).toBe(typed)
    await late.close()
    expect(server.faults).toEqual([])
    expect(process.memoryUsage().rss - warm).toBeLessThan(192 * 1024 * 1024)
    // It really did something: changes were taken, others refused, sockets closed for what they sent, and others not.
    expect(answers).toBeGreaterThan(count)
    expect(await server.metric('weft_updates_received_total')).toBeGreaterThan(count / 10)
    expect(await server.metric('weft_errors_total')).toBeGreaterThan(count / 10)
    expect(codes.get(4400)).toBeGreaterThan(count / 10)
    expect(codes.get(1000)).toBeGreaterThan(count / 50)
  },
  Math.max(60_000, frames * 10),
)

const methods = [
  'GET',
  'POST',
  'HEAD',
  'OPTIONS',
  'PUT',
  'DELETE',
  'TRACE',
  'CONNECT',
  'get',
  'G\0T',
  '',
  'A'.repeat(300),
]
const paths = [
  '/',
  '/healthz',
  '/readyz',
  '/metrics',
  '/v1/connect',
  '/yjs/a',
  '/yjs/%00',
  '/hocuspocus',
  '/yjs/%ff%fe',
  '/..%2f..%2fetc/passwd',
  '*',
  '',
  '//',
  '/?token=x',
  `/${'a'.repeat(5_000)}`,
  '/__proto__',
  '/\u0001',
]
const headers = [
  'Host: x',
  'Host: ',
  'Connection: upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Key: x',
  'Sec-WebSocket-Version: 13',
  'Content-Length: 5',
  'Content-Length: -1',
  'Content-Length: 99999999999999',
  'Transfer-Encoding: chunked',
  'Origin: null',
  'If-None-Match: "',
  `X: ${'y'.repeat(9_000)}`,
  'no colon',
  ': empty',
  'Accept-Encoding: gzip',
]
const bodies = [
  '',
  'hello',
  '5\r\nhello\r\n0\r\n\r\n',
  '\0\0\0',
  'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n',
  'ffffffffffff\r\n',
]

const request = (random: Random): string => {
  const version = random.pick(['HTTP/1.1', 'HTTP/1.1', 'HTTP/1.1', 'HTTP/1.0', 'HTTP/9', ''])
  const lines = random.chance(0.8) ? ['Host: x'] : []
  for (let i = random.int(5); i > 0; i--) lines.push(random.pick(headers))
  const head = `${random.pick(methods)} ${random.pick(paths)} ${version}\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`
  const whole = head + random.pick(bodies)
  return random.chance(0.8) ? whole : whole.slice(0, random.int(whole.length + 1))
}

/** @returns the status of the first answer, or null when there was none */
const ask = async (text: string, seed: number): Promise<number | null> => {
  const client = connect(server.port, '127.0.0.1')
  let answer = ''
  client.setEncoding('latin1')
  client.on('error', () => undefined)
  const closed = new Promise<void>((resolve) => client.once('close', () => resolve()))
  const first = new Promise<void>((resolve) =>
    client.on('data', (chunk: string) => {
      answer += chunk
      resolve()
    }),
  )
  client.on('connect', () => client.end(text, 'latin1'))
  await within(Promise.race([closed, first]), `an answer or the end, seed ${seed}`, 30_000)
  client.destroy()
  const status = /^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1]
  return status === undefined ? null : Number(status)
}

test(
  'I7: no request on any path stops the server',
  async () => {
    const statuses = new Map<number | null, number>()
    await inParallel(requests, async (index) => {
      const seed = firstSeed + index
      const status = await ask(request(seededRandom(seed)), seed)
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
    })
    await typeOne()
    expect((await fetch(`${server.httpUrl}/healthz`)).status).toBe(200)
    expect(server.faults).toEqual([])
    // It really did something: good requests among the bad ones, and both kinds were told apart.
    for (const status of [200, 400, 404, 405]) expect(statuses.get(status), `${status}`).toBeGreaterThan(0)
    expect([...statuses.keys()].filter((status) => status === 500)).toEqual([])
  },
  Math.max(60_000, requests * 50),
)
