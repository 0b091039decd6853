/* I1, I3: what happens to the database does not stop the editing, and loses nothing that was acknowledged. */
import {
  serverProcess,
  startPostgres,
  until,
  type ServerProcess,
  type TestPostgres,
} from '@weft/server/testing'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { randomOf } from './random.js'
import { Crew } from './typists.js'

let database: TestPostgres
let server: ServerProcess
let crew: Crew
let run = 0

beforeAll(async () => {
  database = await startPostgres()
})

afterAll(() => database.dispose())

const start = async (env: Readonly<Record<string, string>> = {}): Promise<void> => {
  server = await serverProcess({ DATABASE_URL: await database.createDatabase(), ...env })
  server.spawn()
  await server.untilUp()
  crew = new Crew(server.url, ['a', 'b'], randomOf(++run))
}

beforeEach(() => {
  crew = new Crew('', [], randomOf(0))
})

afterEach(async () => {
  // A test that failed leaves it as it was.
  database.resume()
  await database.start().catch(() => undefined)
  crew.close()
  await server.kill()
})

const liveEverywhere = (): Promise<void> =>
  until(
    () => crew.typists.every(({ rooms }) => rooms.every(({ status }) => status === 'live')),
    'everybody is in every room',
  )

/** Waits until that many more edits were typed. */
const typed = async (count: number): Promise<void> => {
  const goal = crew.tally.typed + count
  await until(() => crew.tally.typed >= goal, `${count} edits`)
}

/**
 * Acks of what was committed before the database went may still be on their way: on each socket they come before the relays
 * of what is typed after that.
 */
const untilAcksArrived = async (): Promise<void> => {
  await typed(20)
  crew.stop()
  await untilRelayed()
  crew.start()
}

/** Everybody sees everything that was typed, saved or not. */
const untilRelayed = (): Promise<void> =>
  until(
    () =>
      crew.typists.every(({ rooms }) =>
        rooms.every(
          (room) =>
            room.doc.getArray<string>('tokens').toArray().sort().join() === crew.tokens(room.name).join(),
        ),
      ),
    'everybody sees every edit',
  )

const expectNothingLost = async (): Promise<void> => {
  expect(await crew.verify()).toEqual({ lost: [], wrong: [] })
}

describe('the database goes away while clients type', () => {
  test('I1, I3: PostgreSQL killed and recovered, three times: editing goes on, nothing is acked meanwhile, all is saved after', async () => {
    await start()
    crew.add(3)
    await liveEverywhere()
    for (let round = 0; round < 3; round++) {
      crew.start()
      await typed(100)
      await database.kill()
      await untilAcksArrived()
      const saved = crew.tally.saved
      await typed(150)
      crew.stop()
      await untilRelayed()
      expect(crew.tally.saved).toBe(saved)
      expect(crew.unsaved).toBeGreaterThanOrEqual(150)
      await database.start()
      await crew.untilSaved()
    }
    await expectNothingLost()
    // Without any reconnect: the node never was away.
    expect(crew.typists.map(({ client }) => client.status)).toEqual(['connected', 'connected', 'connected'])
    expect(await server.terminate()).toBe(0)
  })

  test('I1, I3: PostgreSQL frozen (its connections stay open and nothing answers): the same', async () => {
    await start()
    crew.add(2)
    await liveEverywhere()
    crew.start()
    await typed(100)
    database.pause()
    try {
      await untilAcksArrived()
      const saved = crew.tally.saved
      await typed(200)
      crew.stop()
      await untilRelayed()
      expect(crew.tally.saved).toBe(saved)
    } finally {
      database.resume()
    }
    await expectNothingLost()
  })

  test('I6: a full journal refuses changes as overloaded; they stay in the outbox and land when it has room again', async () => {
    await start({ JOURNAL_MAX_BYTES: '20000' })
    // The delay after a refusal is random up to seconds: the short end of it.
    crew.add(2, { random: () => 0.05 })
    await liveEverywhere()
    crew.start()
    await typed(50)
    await database.stop()
    await until(
      async () => (await server.metric('weft_errors_total', '"overloaded"')) > 0,
      'a refusal',
      30_000,
    )
    await typed(200)
    crew.stop()
    // Refused before it was relayed: the others do not see what the node could not keep.
    const seen = crew.typists.map(({ rooms }) => rooms[0]!.doc.getArray('tokens').length)
    expect(Math.min(...seen)).toBeLessThan(crew.tokens('a').length)
    await database.start()
    await expectNothingLost()
  })
})

describe('SIGTERM', () => {
  test('I1: under typing: the journal is flushed, the exit code is 0, and nothing is lost', async () => {
    await start({ DRAIN_MS: '100' })
    crew.add(3)
    await liveEverywhere()
    for (let round = 0; round < 3; round++) {
      crew.start()
      await typed(100)
      expect(await server.terminate()).toBe(0)
      server.spawn()
      await server.untilUp()
    }
    await expectNothingLost()
  })

  test('I8: with the database away: exits non-zero within the deadline, and says what is unsaved', async () => {
    for (const away of ['killed', 'frozen'] as const) {
      await start({ SHUTDOWN_TIMEOUT_MS: '1500', DRAIN_MS: '100' })
      crew.add(2)
      await liveEverywhere()
      crew.start()
      await typed(50)
      if (away === 'killed') await database.kill()
      else database.pause()
      await typed(100)
      crew.stop()
      const began = performance.now()
      const code = await server.terminate()
      const took = performance.now() - began
      if (away === 'killed') await database.start()
      else database.resume()
      expect({ away, code }).toEqual({ away, code: 1 })
      // A second for the parts that close after the journal.
      expect(took).toBeLessThan(1_500 + 2_000)
      expect(server.log).toMatch(/\d+ changes are not saved/)
      // The clients still hold them.
      server.spawn()
      await server.untilUp()
      await expectNothingLost()
      crew.close()
      await server.kill()
    }
  })
})
