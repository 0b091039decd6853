import { inspect } from 'node:util'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import postgres from 'postgres'
import { startPostgres, type TestPostgres } from '../testing/postgres.js'
import { StoreStartError } from './errors.js'
import { migrateStore } from './migrate.js'
import { nodesContract } from './nodes.contract.js'
import { revocationsContract } from './revocations.contract.js'
import { openStore } from './open.js'
import { clientId, messageOf, storeContract, updateOf, type StoreBackend } from './store.contract.js'
import type { RoomRow, Store } from './types.js'

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }
const dataDir = '/nonexistent'

let server: TestPostgres

beforeAll(async () => {
  server = await startPostgres()
})

afterAll(async () => {
  await server.dispose()
})

const open = (databaseUrl: string): Promise<Store> =>
  openStore({ databaseUrl, dataDir, logger: silent, queryTimeoutMs: 1500, connectTimeoutMs: 1500 })

describe('the store on PostgreSQL', () => {
  const backend = async (): Promise<StoreBackend> => {
    const url = await server.createDatabase()
    return { open: () => open(url), dispose: () => Promise.resolve() }
  }
  storeContract(backend)
  nodesContract(backend)
  revocationsContract(backend)
})

test('I2: nodes that write to the same rooms, in any order and kind of batch, do not block each other for good', async () => {
  const url = await server.createDatabase()
  const stores = await Promise.all([open(url), open(url), open(url)])
  const rooms: RoomRow[] = []
  for (let i = 0; i < 8; i++) rooms.push(await stores[0].openRoom('t', `shared ${i}`))
  const turned = [...rooms].reverse()
  const written = await Promise.all(
    stores.map(async (store, node) => {
      for (let i = 0; i < 60; i++) {
        const batch = (i + node) % 2 === 0 ? rooms : turned
        const message = messageOf(rooms[i % 8]!, { client: clientId(), n: 1 })
        const results = await store.commit([
          ...batch.map((room) => updateOf(room)),
          ...(i % 3 === 0 ? [message] : []),
        ])
        expect(results.every(({ status }) => status === 'committed')).toBe(true)
      }
      return 60 * 8 + 20
    }),
  )
  let events = 0
  for (const room of rooms) {
    const seqs = (await stores[0].readEvents(room.id, 0, 1e9, 1e6)).map(({ seq }) => seq)
    expect(seqs).toEqual(seqs.map((_, i) => i + 1))
    events += seqs.length
  }
  expect(events).toBe(written.reduce((sum, count) => sum + count, 0))
  await Promise.all(stores.map((store) => store.close()))
})

describe('starting on PostgreSQL', () => {
  test('two nodes that migrate at once both start', async () => {
    const url = await server.createDatabase()
    const stores = await Promise.all([open(url), open(url), open(url)])
    const rooms = await Promise.all(stores.map((store) => store.openRoom('t', 'r')))
    expect(new Set(rooms.map((room) => room.id)).size).toBe(1)
    await Promise.all(stores.map((store) => store.close()))
  })

  test('I8: a newer, a changed or a half migrated database stops the start with a sentence', async () => {
    const [newer, changed, half] = await Promise.all([
      server.createDatabase(),
      server.createDatabase(),
      server.createDatabase(),
    ])
    await Promise.all([newer, changed].map((url) => migrateStore({ kind: 'postgres', url })))
    const run = async (url: string, text: string): Promise<void> => {
      const sql = postgres(url, { max: 1 })
      await sql.unsafe(text)
      await sql.end()
    }
    await run(
      newer,
      `insert into drizzle.__drizzle_migrations (hash, created_at) values ('x', 99999999999999)`,
    )
    await run(changed, 'drop function weft_append')
    await run(half, 'create table rooms (id int)')
    const failure = (url: string): Promise<unknown> => open(url).catch((error: unknown) => error)
    expect(String(await failure(newer))).toMatch(/StoreStartError: .*DATABASE_URL .* newer Weft/)
    expect(String(await failure(changed))).toMatch(/DATABASE_URL is damaged: weft_append is missing/)
    expect(String(await failure(half))).toMatch(/DATABASE_URL is half migrated/)
  })

  test.each([
    ['a server that is not there', 'postgres://u:s3cret@127.0.0.1:1/x'],
    ['a URL that is none', 'postgres://u:s3cret@[oops/x'],
  ])('I8: %s stops the start with a sentence, and without the password', async (_, url) => {
    const error: unknown = await open(url).catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(StoreStartError)
    expect(String(error)).toContain('DATABASE_URL')
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain('s3cret')
  })

  test('I1: a server that may lose acknowledged changes is warned of', async () => {
    const url = await server.createDatabase()
    const sql = postgres(url, { max: 1 })
    await sql.unsafe(`alter database ${new URL(url).pathname.slice(1)} set synchronous_commit = off`)
    await sql.end()
    const warn = vi.fn()
    const store = await openStore({ databaseUrl: url, dataDir, logger: { ...silent, warn } })
    expect(warn).toHaveBeenCalledExactlyOnceWith(expect.stringContaining('synchronous_commit'))
    await store.close()
  })
})

describe('a PostgreSQL in trouble', () => {
  test('I1: kill -9 in the middle is transient, loses nothing acknowledged, and the store recovers', async () => {
    const store = await open(await server.createDatabase())
    const room = await store.openRoom('t', 'r')
    let acked = 0
    let failed: unknown = null
    let killed = Promise.resolve()
    const writer = (async () => {
      while (failed === null) {
        try {
          const [result] = await store.commit([updateOf(room, [acked & 255])])
          expect(result).toEqual({ status: 'committed', seq: acked + 1 })
          acked += 1
          if (acked === 50) killed = server.kill()
        } catch (error) {
          failed = error
        }
      }
    })()
    await writer
    expect(failed).toMatchObject({ name: 'StoreError', kind: 'transient' })
    await expect(store.ping()).rejects.toMatchObject({ kind: 'transient' })
    await killed
    await server.start()
    await vi.waitFor(() => store.ping(), { timeout: 10_000 })
    const events = await store.readEvents(room.id, 0, 1e9, 1e6)
    // The commit in flight may have happened; nothing acknowledged is missing.
    expect([acked, acked + 1]).toContain(events.length)
    expect(events.map((event) => event.seq)).toEqual(events.map((_, i) => i + 1))
    // The first commit on the new connection may fail once more: postgres.js reports an old connection's last error.
    await vi.waitFor(async () => {
      expect(await store.commit([updateOf(room)])).toEqual([{ status: 'committed', seq: events.length + 1 }])
    })
    await store.close()
  })

  test('a frozen server is transient within the timeout, and the store works again when it thaws', async () => {
    const store = await open(await server.createDatabase())
    const room = await store.openRoom('t', 'r')
    await store.commit([updateOf(room)])
    server.pause()
    const began = Date.now()
    const [commit, ping, again] = await Promise.allSettled([
      store.commit([updateOf(room)]),
      store.ping(),
      store.ping(),
    ])
    for (const result of [commit, ping, again]) {
      expect(result).toMatchObject({ status: 'rejected', reason: { name: 'StoreError', kind: 'transient' } })
    }
    expect(Date.now() - began).toBeLessThan(5000)
    server.resume()
    await vi.waitFor(() => store.ping(), { timeout: 10_000 })
    // What was in flight when it froze may run when it thaws: allowed, and never a gap.
    const [result] = await store.commit([updateOf(room)])
    const events = await store.readEvents(room.id, 0, 1e9, 1e6)
    expect(result).toEqual({ status: 'committed', seq: events.length })
    expect(events.map((event) => event.seq)).toEqual(events.map((_, i) => i + 1))
    await store.close()
  })

  test('a room locked by a frozen node is transient, not forever', async () => {
    const url = await server.createDatabase()
    const store = await open(url)
    const room = await store.openRoom('t', 'r')
    const sql = postgres(url, { max: 1 })
    const holder = await sql.reserve()
    await holder`begin`
    await holder`select 1 from rooms where id = ${room.id} for update`
    await expect(store.commit([updateOf(room)])).rejects.toMatchObject({ kind: 'transient' })
    await holder`rollback`
    holder.release()
    await vi.waitFor(async () =>
      expect(await store.commit([updateOf(room)])).toMatchObject([{ status: 'committed' }]),
    )
    await sql.end()
    await store.close()
  })
})
