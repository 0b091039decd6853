/*
 * Three nodes behind nginx with the shipped configuration, each stopped by SIGTERM and started again while people type: nothing
 * is lost, and nobody is away for longer than the node told them, plus one connect. Prints what it measured.
 */
import {
  serverProcess,
  startPostgres,
  startRedis,
  until,
  type ServerProcess,
  type TestPostgres,
  type TestRedis,
} from '@weft/server/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startNginx, type Balancer } from '../../server/deploy/testing/balancer.js'
import { addressOf, socketFrom } from './addresses.js'
import { Absences, countBySteps, quantile, type Absence } from './away.js'
import { randomOf } from './random.js'
import { StockTypist } from './stock-typist.js'
import { Crew } from './typists.js'

/** Clients of the SDK in a room; a stock one is with them. */
const perRoom = 4
const rooms = Array.from({ length: 12 }, (_, i) => `room ${i}`)

/** Milliseconds. The server's default. */
const drainMs = 5_000
/** Milliseconds for a connect, on a machine that runs all of it. */
const oneConnect = 1_000
/** y-websocket hears of no delay; it waits up to this between two attempts. Milliseconds, as in `StockTypist`. */
const stockBackoff = 500
/** Milliseconds. */
const step = 500

let database: TestPostgres
let redis: TestRedis
let nodes: ServerProcess[] = []
let balancer: Balancer

beforeAll(async () => {
  database = await startPostgres()
  redis = await startRedis()
  const env = {
    DATABASE_URL: await database.createDatabase(),
    REDIS_URL: redis.url,
    DRAIN_MS: String(drainMs),
  }
  nodes = [await serverProcess(env), await serverProcess(env), await serverProcess(env)]
  for (const node of nodes) node.spawn()
  await Promise.all(nodes.map((node) => node.untilUp()))
  balancer = await startNginx(nodes.map(({ port }) => port))
})

afterAll(async () => {
  await balancer.stop()
  await Promise.all(nodes.map((node) => node.kill()))
  await redis.dispose()
  await database.dispose()
})

const row = (cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`

const ms = (numbers: readonly number[]): string[] =>
  [0.5, 0.95, 1].map((share) => `${Math.round(quantile(numbers, share))} ms`)

const timesAway = (absences: readonly Absence[]): number[] => absences.map(({ from, to }) => to - from)

test('P11: a rolling restart behind nginx: nothing is lost, and nobody is away longer than told', async () => {
  const random = randomOf(Number(process.env['WEFT_SEED'] ?? '1'))
  const url = `ws://127.0.0.1:${balancer.port}`
  const crews = rooms.map((room) => new Crew(url, [room], random, 250))
  for (const [i, crew] of crews.entries()) {
    for (let j = 0; j < perRoom; j++) {
      // nginx hashes clients of the SDK by their address: each has one of its own. The delays of real clients, not the short ones of the other tests.
      crew.add(1, { WebSocket: socketFrom(addressOf(perRoom * i + j)), timing: {} })
    }
  }
  const clients = crews.flatMap(({ typists }) => typists.map(({ client }) => client))
  const saved = (): number => crews.reduce((sum, { tally }) => sum + tally.saved, 0)
  const stock = rooms.map((room, i) => new StockTypist(`stock ${i}`, url, room, random))
  const [ofSdk, ofStock] = [new Absences(), new Absences()]
  try {
    await until(() => clients.every(({ status }) => status === 'connected'), 'all are connected')
    await until(() => stock.every(({ isSynced }) => isSynced), 'stock clients are synced')
    for (const client of clients) ofSdk.follow(client)
    for (const { provider } of stock) ofStock.followStock(provider)
    for (const crew of crews) crew.start()
    for (const typist of stock) typist.start(250)
    await until(() => saved() > 500, 'people type')

    const lines: string[] = []
    for (const [i, node] of nodes.entries()) {
      const connected = await Promise.all(
        ['"weft"', '"yjs"'].map((dialect) => node.metric('weft_connections', dialect)),
      )
      const from = performance.now()
      expect(await node.terminate()).toBe(0)
      const stopped = performance.now() - from
      node.spawn()
      await node.untilUp()
      const started = performance.now() - from
      const savedAt = saved()
      await until(() => saved() > savedAt + 200, 'changes are saved')
      await until(() => ofSdk.running + ofStock.running === 0, 'everybody is back', 20_000)

      const [sdk, other] = [ofSdk, ofStock].map((absences) => absences.between(from, performance.now()))
      expect([sdk!.length, other!.length]).toEqual(connected)
      const late = sdk!.filter(({ from, to, delay }) => to - from > delay + oneConnect)
      expect(late).toEqual([])
      expect(Math.max(...timesAway(sdk!))).toBeLessThan(drainMs + oneConnect)
      expect(Math.max(0, ...timesAway(other!))).toBeLessThan(2 * stockBackoff + oneConnect)
      const overDelay = sdk!.map(({ from, to, delay }) => to - from - delay)
      const back = countBySteps(
        sdk!.map(({ to }) => to - from),
        step,
        Math.ceil((drainMs + oneConnect) / step),
      )
      // Spread out: no half second has more than twice its share, and two.
      expect(Math.max(...back)).toBeLessThanOrEqual((2 * sdk!.length * step) / drainMs + 2)
      lines.push(
        row([
          i + 1,
          `${Math.round(stopped)} / ${Math.round(started)} ms`,
          sdk!.length,
          ...ms(timesAway(sdk!)),
        ]).concat(
          ` ${ms(overDelay)[2]} | ${back.join(' ')} | ${other!.length} | ${ms(timesAway(other!))[2]} |`,
        ),
      )
    }
    const all = timesAway(ofSdk.ended)
    console.log(
      [
        row([
          'node',
          'stopped / up again',
          'SDK clients',
          'away: p50',
          'p95',
          'max',
          'beyond the delay',
          `back, by ${step} ms`,
          'stock clients',
          'away: max',
        ]),
        row(['---', '---', '---', '---', '---', '---', '---', '---', '---', '---']),
        ...lines,
        `\nAll ${all.length} absences of SDK clients: ${ms(all).join(', ')} (p50, p95, max); ${saved()} changes acknowledged`,
      ].join('\n'),
    )

    for (const typist of stock) typist.stop()
    for (const [i, crew] of crews.entries()) {
      const { room, typed } = stock[i]!
      expect(await crew.verify(new Map([[room, typed]]))).toEqual({ lost: [], wrong: [] })
    }
  } finally {
    for (const crew of crews) crew.close()
    for (const typist of stock) typist.close()
  }
}, 180_000)
