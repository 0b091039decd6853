/* P58: the verified users of presence, on two nodes. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { readAwareness } from '@weft/protocol'
import { MemoryBus } from '../bus/index.js'
import { startPostgres, type TestPostgres } from '../testing/postgres.js'
import { startServer, type TestServer } from '../testing/start-server.js'
import { makeToken, testSecret } from '../testing/tokens.js'
import { until } from '../testing/until.js'
import { WeftBot, type BotRoom } from '../testing/weft-bot.js'

let postgres: TestPostgres
let here: TestServer
let there: TestServer
const bots: WeftBot[] = []

beforeAll(async () => {
  postgres = await startPostgres()
  const databaseUrl = await postgres.createDatabase()
  const bus = new MemoryBus()
  const start = (node: string): Promise<TestServer> =>
    startServer({ databaseUrl, jwtSecret: testSecret, bus: bus.connect(node) })
  here = await start('here')
  there = await start('there')
})
afterEach(() => {
  for (const bot of bots.splice(0)) bot.terminate()
})
afterAll(async () => {
  expect([...here.faults, ...there.faults]).toEqual([])
  await Promise.all([here.dispose(), there.dispose()])
  await postgres.dispose()
})

const join = async (server: TestServer, name: string, user: string): Promise<BotRoom> => {
  const bot = await WeftBot.open(server.wsUrl, { token: await makeToken({ '*': 'write' }, { user }) })
  bots.push(bot)
  return await bot.join(name)
}

/** Whose each id was said to be when PRESENCES showed it; undefined where nobody had said. */
const shown = ({ bot, number }: BotRoom): [number, string | null | undefined][] => {
  const users = new Map<number, string | null>()
  const seen: [number, string | null | undefined][] = []
  for (const frame of bot.frames) {
    if (frame.type === 'users' && frame.room === number)
      for (const { id, user } of frame.users) users.set(id, user)
    if (frame.type !== 'presences' || frame.room !== number) continue
    for (const { clientId, state } of readAwareness(frame.awareness, 100, 1000)) {
      if (state !== null) seen.push([clientId, users.get(clientId)])
    }
  }
  return seen
}
const usersFrames = ({ bot }: BotRoom): number => bot.frames.filter(({ type }) => type === 'users').length

test('P58: who is in the room, who comes, and who comes to another node is known before it is shown', async () => {
  const ada = await join(here, 'users', 'ada')
  ada.show(1, 1, {})
  await until(() => ada.presence.get(1)?.clock === 1, 'its own')
  const bob = await join(there, 'users', 'bob')
  bob.show(2, 1, {})
  await until(() => ada.presence.has(2) && bob.presence.has(1), 'each other')
  const cy = await join(here, 'users', 'cy')
  await until(() => cy.presence.size === 2, 'those before')
  for (const room of [ada, bob, cy]) {
    expect(new Map(shown(room))).toEqual(
      new Map([
        [1, 'ada'],
        [2, 'bob'],
      ]),
    )
  }
  // A move of a cursor says nothing of users.
  const before = usersFrames(ada)
  bob.show(2, 2, { x: 1 })
  await until(() => (ada.presence.get(2)?.clock ?? 0) >= 2, 'the move')
  expect(usersFrames(ada)).toBe(before)
})

test('P58: an id that was gone and is another user’s now is shown under that one', async () => {
  const watcher = await join(there, 'another', 'watcher')
  const ada = await join(here, 'another', 'ada')
  ada.show(7, 1, {})
  await until(() => watcher.presence.get(7)?.state != null, 'ada')
  ada.bot.terminate()
  await until(() => watcher.presence.get(7)?.state === null, 'ada is gone')
  const bob = await join(here, 'another', 'bob')
  bob.show(7, 50, {})
  await until(() => watcher.presence.get(7)?.state != null, 'bob')
  expect(shown(watcher)).toEqual([
    [7, 'ada'],
    [7, 'bob'],
  ])
  // The same user once more: said again, since it was gone.
  const before = usersFrames(watcher)
  bob.bot.terminate()
  await until(() => watcher.presence.get(7)?.state === null, 'bob is gone')
  const again = await join(there, 'another', 'bob')
  again.show(7, 100, {})
  await until(() => watcher.presence.get(7)?.state != null, 'bob is back')
  expect(usersFrames(watcher)).toBe(before + 1)
})
