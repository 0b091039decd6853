/* Thousands of sockets that never say a word, and a hundred people who are to notice nothing (P7, I7). */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { decodeValue, encodeValue } from '@weft/protocol'
import type { IdleReport } from '../testing/idle-sockets.js'
import { serverProcess, type ServerProcess } from '../testing/server-process.js'
import { makeDataDir } from '../testing/data-dir.js'
import type { TempDir } from '../testing/temp-dir.js'
import { until, within } from '../testing/until.js'
import { WeftBot, type BotRoom } from '../testing/weft-bot.js'
import { workerUrl } from '../worker-url.js'

const idleSockets = 5_000
const helloMs = 5_000
const people = 100

let dir: TempDir
let server: ServerProcess
let stop = false

beforeAll(async () => {
  dir = await makeDataDir()
  server = await serverProcess({ DATA_DIR: dir.path, HELLO_TIMEOUT_MS: String(helloMs) })
  server.spawn()
  await server.untilUp()
})
afterAll(async () => {
  stop = true
  await server.terminate()
  await dir.remove()
})

/** Resolves with the child's next word. */
const heard = async (child: ChildProcess, ms: number): Promise<IdleReport> => {
  const [report] = (await within(once(child, 'message'), 'the idle sockets', ms)) as [IdleReport]
  return report
}

test('5,000 idle sockets are gone after the timeout; the p99 of 100 people stays what it was', async () => {
  const delays: number[] = []
  const rooms: BotRoom[] = []
  for (let i = 0; i < people; i++) rooms.push(await (await WeftBot.open(server.url)).join(`pair ${i >> 1}`))
  const ends = rooms.map(({ bot }) => bot.closed)
  let ended = 0
  for (const end of ends) void end.then(() => ended++)

  /** Each says the time to its neighbour, and edits, five times a second. */
  let beat = 0
  const timer = setInterval(() => {
    beat++
    for (const [index, room] of rooms.entries()) {
      if ((index + beat) % 10 !== 0) continue
      room.type('x')
      room.bot.send({
        type: 'broadcast',
        room: room.number,
        name: 'at',
        payload: encodeValue(performance.now()),
      })
    }
  }, 20)
  for (const { bot } of rooms) {
    void (async () => {
      while (!stop) {
        const { payload } = await bot.next('broadcasted')
        delays.push(performance.now() - Number(decodeValue(payload)))
        // The bots keep every frame, to be looked at: here they would look at more and more.
        bot.frames.length = 0
      }
    })().catch(() => undefined)
  }
  /** The 99th percentile of what was heard since the last call, after at least so many milliseconds. */
  const p99 = async (ms: number): Promise<number> => {
    const end = performance.now() + ms
    await until(() => performance.now() > end && delays.length > 500, 'enough was said', ms + 30_000)
    const sorted = delays.splice(0).sort((a, b) => a - b)
    return sorted[Math.floor(sorted.length * 0.99)] ?? Infinity
  }

  await p99(1_000) // warms up
  const before = await p99(5_000)

  await server.metric('weft_event_loop_delay_seconds') // begins anew with each scrape
  const opening = performance.now()
  const child = fork(fileURLToPath(workerUrl('../testing/idle-sockets.js', import.meta.url)), [
    String(server.port),
    String(idleSockets),
  ])
  expect((await heard(child, 60_000)).is).toBe('open')
  const openedMs = performance.now() - opening
  const whileOpening = await p99(0)
  const { told } = await heard(child, helloMs + 10_000)
  const goneMs = performance.now() - opening
  const during = await p99(0)
  const loopMs = 1_000 * (await server.metric('weft_event_loop_delay_seconds', 'quantile="1"'))
  const after = await p99(5_000)

  clearInterval(timer)
  for (const room of rooms) await room.saved()
  console.log(
    `p99 ${before.toFixed(1)} ms before, ${whileOpening.toFixed(1)} while they open, ${during.toFixed(1)} until they are gone, ` +
      `${after.toFixed(1)} after; the server's loop was late by ${loopMs.toFixed(1)} at most; ` +
      `${idleSockets} sockets opened in ${Math.round(openedMs)} ms, gone after ${Math.round(goneMs)}`,
  )
  expect(told).toBe(idleSockets)
  expect(goneMs).toBeLessThan(openedMs + helloMs + 5_000)
  expect(ended).toBe(0)
  expect(await server.metric('weft_connections')).toBe(people)
  // Bounds for a machine that does other things as well.
  expect(whileOpening).toBeLessThan(Math.max(100, 10 * before))
  expect(during).toBeLessThan(Math.max(100, 10 * before))
  expect(after).toBeLessThan(Math.max(50, 5 * before))
  stop = true
  for (const { bot } of rooms) bot.terminate()
}, 120_000)
