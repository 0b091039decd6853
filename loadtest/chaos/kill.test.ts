/*
 * I1: `kill -9` of the server loses nothing that was acknowledged. The moments are seeded; `WEFT_KILLS` sets how many there
 * are for each store, `WEFT_SEED` where the seeds begin.
 */
import { makeTempDir, serverProcess, startPostgres, until, type ServerProcess } from '@weft/server/testing'
import { afterEach, describe, expect, test } from 'vitest'
import { randomOf } from './random.js'
import { Crew } from './typists.js'

const kills = Number(process.env['WEFT_KILLS'] ?? '20')
const firstSeed = Number(process.env['WEFT_SEED'] ?? '1')
const rooms = ['notes', 'plan/2', 'naïve ☃']
/** Milliseconds between two edits of a typist: they type all through the starts of the server, and all must be sent then. */
const pace = 15

const cleanups: (() => Promise<unknown>)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

const killAgainAndAgain = async (server: ServerProcess): Promise<void> => {
  const random = randomOf(firstSeed)
  const below = (limit: number): number => Math.floor(random() * limit)
  // Numbers of their own: when the server is killed must not hang on how much was typed.
  const crew = new Crew(server.url, rooms, randomOf(firstSeed + 1), pace)
  cleanups.push(async () => {
    crew.close()
    await Promise.resolve()
  })
  cleanups.push(() => server.kill())
  server.spawn()
  await server.untilUp()
  crew.add(3)
  crew.start()
  let inFlight = 0
  let whileStarting = 0
  for (let kill = 0; kill < kills; kill++) {
    if (kill > 0 && below(5) === 0) {
      // Somewhere in its start: migrating, recovering, taking the first joins.
      whileStarting++
      const moment = crew.tally.typed + below(100)
      await until(() => crew.tally.typed >= moment, 'the moment in the start', 30_000)
    } else {
      const moment = crew.tally.saved + 1 + below(30)
      await until(() => crew.tally.saved >= moment, 'the next saved changes', 60_000)
    }
    inFlight += crew.unsaved
    await server.kill()
    server.spawn()
  }
  await server.untilUp()
  const { lost, wrong } = await crew.verify()
  expect({ lost, wrong }).toEqual({ lost: [], wrong: [] })
  // It was worth it: there was something to lose each time, on its way and saved.
  expect(inFlight).toBeGreaterThan(kills)
  expect(crew.tally.saved).toBeGreaterThan(kills * 10)
  if (kills >= 20) expect(whileStarting).toBeGreaterThan(0)
  // And after all that the server still stops in good order.
  expect(await server.terminate()).toBe(0)
}

describe('I1: kill -9 of the server, again and again, while clients type into several rooms', () => {
  test(
    'on PostgreSQL: every acked change is there, every saved() resolves',
    async () => {
      const database = await startPostgres()
      cleanups.push(() => database.dispose())
      await killAgainAndAgain(await serverProcess({ DATABASE_URL: await database.createDatabase() }))
    },
    kills * 9_000,
  )

  test(
    'on the embedded store: every acked change is there, every saved() resolves',
    async () => {
      const dir = await makeTempDir()
      cleanups.push(() => dir.remove())
      await killAgainAndAgain(await serverProcess({ DATA_DIR: dir.path }))
    },
    kills * 9_000,
  )
})
