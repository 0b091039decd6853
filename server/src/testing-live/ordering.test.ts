/*
 * Ordering and durability for any interleaving: SDK clients and protocol peers edit and send messages over real sockets
 * through proxies that cut them, against real servers on a real PostgreSQL behind a store that loses commits and answers;
 * servers die and come back, other nodes commit in between. `WEFT_SEEDS` sets how many runs (`WEFT_ORDERING_SEEDS` here
 * alone), `WEFT_SEED` one of them.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openStore, type Store } from '../store/index.js'
import { startPostgres, type TestPostgres } from '../testing/index.js'
import { Exercised, OrderingWorld } from './ordering-world.js'

const seedCount = Number(process.env['WEFT_ORDERING_SEEDS'] ?? process.env['WEFT_SEEDS'] ?? '12')
const onlySeed = process.env['WEFT_SEED']

/** For the last test. */
const total = new Exercised()

let database: TestPostgres
let store: Store

beforeAll(async () => {
  // Nothing cuts its power here, and it commits a hundred times faster.
  database = await startPostgres({ settings: { fsync: 'off', synchronous_commit: 'off' } })
  const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }
  store = await openStore({
    databaseUrl: await database.createDatabase(),
    dataDir: '/nonexistent',
    logger: silent,
  })
})

afterAll(async () => {
  await store.close()
  await database.dispose()
})

const runSeed = async (seed: number): Promise<void> => {
  const world = new OrderingWorld(seed, store, total)
  let failure: unknown = null
  try {
    await world.start()
    await world.run()
    await world.finish()
  } catch (error) {
    failure = error
    world.note(`FAILED ${String(error)}`)
  }
  await world.dispose()
  if (failure !== null || world.problems.length > 0)
    throw new Error(world.report(seed), failure === null ? {} : { cause: failure })
}

const seeds = onlySeed === undefined ? Array.from({ length: seedCount }, (_, i) => i + 1) : [Number(onlySeed)]

describe('I1, I2, I4: any interleaving of cuts, retries, ambiguous commits, restarts and holes', () => {
  test.each(seeds)('seed %i', runSeed)

  test('the runs did what they are for', () => {
    // A few runs alone need not meet everything.
    const few = onlySeed === undefined && seedCount >= 10 ? seedCount / 4 : 0
    const missing = Object.entries(total).filter(([, count]) => count < few)
    expect(missing).toEqual([])
  })
})
