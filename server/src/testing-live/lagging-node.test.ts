import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { MemoryBus, createServer, type WeftServer } from '../index.js'
import { startPostgres, type TestPostgres } from '../testing/index.js'
import { WeftBot } from '../testing/weft-bot.js'

/* A client comes from a node that is ahead of the one that it comes to. */

let postgres: TestPostgres
let ahead: WeftServer
let behind: WeftServer

beforeAll(async () => {
  postgres = await startPostgres()
  const databaseUrl = await postgres.createDatabase()
  // They do not hear each other: what one commits comes to the other with the sweep, seconds later.
  const start = (node: string): Promise<WeftServer> => {
    const bus = new MemoryBus()
    bus.connect('nobody')
    return createServer({ port: 0, databaseUrl, bus: bus.connect(node), logger: pino({ level: 'silent' }) })
  }
  ahead = await start('ahead')
  behind = await start('behind')
})

afterAll(async () => {
  await Promise.all([ahead.close(), behind.close()])
  await postgres.dispose()
})

const open = (server: WeftServer): Promise<WeftBot> => WeftBot.open(`ws://127.0.0.1:${server.port}`)

test('I2, P59: it resumes there too, and is not taken for one of a restored backup, who would get messages twice', async () => {
  const keeper = await open(behind)
  await keeper.join('moved')
  const first = await open(ahead)
  const room = await first.join('moved')
  room.type('text')
  room.append('m', 1)
  room.append('m', 2)
  await room.saved()
  const { epoch } = room.joined
  const moved = await open(behind)
  const again = await moved.join('moved', { epoch, after: 3 })
  expect(again.joined).toMatchObject({ mode: 'resume', head: 3 })
  expect(again.messages).toEqual([])
  const halfway = await open(behind)
  expect((await halfway.join('moved', { epoch, after: 2 })).messages).toEqual([2])
  for (const bot of [keeper, first, moved, halfway]) await bot.close()
})

test('P16, P59: beyond what the log has it is a restored backup', async () => {
  const bot = await open(ahead)
  const room = await bot.join('restored')
  room.append('m', 1)
  await room.saved()
  const other = await open(behind)
  const { epoch } = room.joined
  expect((await other.join('restored', { epoch, after: 100 })).joined).toMatchObject({
    mode: 'full',
    head: 1,
  })
  for (const each of [bot, other]) await each.close()
})
