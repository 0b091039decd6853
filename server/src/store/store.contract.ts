import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { asRoomId } from '../ids.js'
import { commitContract } from './commit.contract.js'
import { quarantineEvent, readEventRows } from './events.js'
import { historyContract } from './history.contract.js'
import { migrateStore } from './migrate.js'
import { seedContract } from './seed.contract.js'
import { connectWorker, readLatestSnapshot, readSnapshotSeqs, writeSnapshot } from './snapshots.js'
import type { Sql } from './sql.js'
import type { CommitEntry, RoomRow, Store } from './types.js'

/** One implementation under the contract. */
export interface StoreBackend {
  /** Opens the store on the backend's data, which stays the same from call to call. */
  open(): Promise<Store>
  dispose(): Promise<void>
}

export function clientId(): string {
  return randomBytes(16).toString('hex')
}

export function updateOf(room: RoomRow, payload: readonly number[] = [1, 2, 3]): CommitEntry {
  return {
    roomId: room.id,
    epoch: room.epoch,
    kind: 'update',
    author: null,
    clientId: null,
    clientSeq: null,
    name: null,
    payload: Uint8Array.from(payload),
  }
}

export function messageOf(
  room: RoomRow,
  key: { author?: string | null; client: string; n: number },
  name = 'comment',
  payload: readonly number[] = [7],
): CommitEntry {
  return {
    ...updateOf(room, payload),
    kind: 'message',
    author: key.author ?? null,
    clientId: key.client,
    clientSeq: key.n,
    name,
  }
}

/** The seqs of all events of a room. */
export async function seqsIn(store: Store, room: RoomRow): Promise<number[]> {
  return (await store.readEvents(room.id, 0, 1e9, 1e6)).map((event) => event.seq)
}

/** 1, 2, 3, and so on. */
export function dense(length: number): number[] {
  return Array.from({ length }, (_, i) => i + 1)
}

/** What every store does, whatever database is behind it. */
export function storeContract(makeBackend: () => Promise<StoreBackend>): void {
  let backend: StoreBackend
  let store: Store
  let sql: Sql
  let rooms = 0
  const newRoom = (): Promise<RoomRow> => store.openRoom('contract', `room ${++rooms}`)

  beforeAll(async () => {
    backend = await makeBackend()
    store = await backend.open()
    sql = connectWorker(store.connection)
  })

  afterAll(async () => {
    await sql.end()
    await store.close()
    await backend.dispose()
  })

  describe('rooms', () => {
    test('a room is made once, however many open it at the same moment', async () => {
      const opened = await Promise.all(Array.from({ length: 20 }, () => store.openRoom('t', 'shared')))
      expect(new Set(opened.map((room) => `${room.id} ${room.epoch}`)).size).toBe(1)
      expect(opened[0]?.headSeq).toBe(0)
      expect(Number.isSafeInteger(opened[0]?.epoch)).toBe(true)
    })

    test('tenants do not see each other’s rooms; any well-formed name is a name', async () => {
      const name = `"quoted" {braces}, \\ and 'ticks' ☃ 😀 -- %2F\n`
      const [a, b] = await Promise.all([store.openRoom('a', name), store.openRoom('b', name)])
      expect(a.id).not.toBe(b.id)
      expect((await store.openRoom('a', name)).id).toBe(a.id)
    })

    test.each(['a\0b', 'lone \ud800', '\udc00 surrogate'])(
      'a name that cannot be stored is rejected: %j',
      async (name) => {
        await expect(store.openRoom('t', name)).rejects.toMatchObject({
          name: 'StoreError',
          kind: 'rejected',
        })
      },
    )

    test('heads: the newest seq and epoch of the rooms that exist', async () => {
      const [a, b] = [await newRoom(), await newRoom()]
      await store.commit([updateOf(a), updateOf(a), updateOf(b)])
      const heads = await store.heads([a.id, b.id, asRoomId(987_654_321)])
      expect(heads).toEqual(
        new Map([
          [a.id, { headSeq: 2, epoch: a.epoch }],
          [b.id, { headSeq: 1, epoch: b.epoch }],
        ]),
      )
      expect((await store.openRoom('contract', `room ${rooms}`)).headSeq).toBe(1)
      expect(await store.heads([])).toEqual(new Map())
    })

    test('the database has a name that stays', async () => {
      const id = await store.clusterId()
      expect(id).toMatch(/^[0-9a-f-]{36}$/)
      expect(await store.clusterId()).toBe(id)
    })

    test('a deleted room fences commits, leaves heads, and is another room when it is made again', async () => {
      const room = await newRoom()
      await store.commit([updateOf(room)])
      expect(await store.deleteRoom('contract', `room ${rooms}`)).toBe(room.id)
      expect(await store.deleteRoom('contract', `room ${rooms}`)).toBeNull()
      expect(await store.commit([updateOf(room)])).toEqual([{ status: 'fenced' }])
      expect((await store.heads([room.id])).size).toBe(0)
      const again = await store.openRoom('contract', `room ${rooms}`)
      expect(again.id).not.toBe(room.id)
      expect(again.epoch).not.toBe(room.epoch)
      expect(again.headSeq).toBe(0)
    })
  })

  historyContract({ newRoom, store: () => store, sql: () => sql })
  seedContract({ newRoom, store: () => store, sql: () => sql })
  commitContract({ newRoom, store: () => store, sql: () => sql })

  test('readEvents: after < seq <= upTo, in order, at most limit', async () => {
    const room = await newRoom()
    await store.commit(Array.from({ length: 10 }, (_, i) => updateOf(room, [i])))
    const read = async (after: number, upTo: number, limit: number): Promise<number[]> =>
      (await store.readEvents(room.id, after, upTo, limit)).map((event) => event.seq)
    expect(await read(0, 10, 100)).toEqual(dense(10))
    expect(await read(3, 7, 100)).toEqual([4, 5, 6, 7])
    expect(await read(3, 7, 2)).toEqual([4, 5])
    expect(await read(10, 20, 100)).toEqual([])
    expect((await readEventRows(sql, room.id, 8, 99, 9)).map((event) => event.seq)).toEqual([9, 10])
  })

  describe('snapshots', () => {
    const vector = Uint8Array.from([1, 2])

    test('none at first; then the newest; the newest two are kept', async () => {
      const room = await newRoom()
      expect(await readLatestSnapshot(sql, room.id)).toBeNull()
      for (const seq of [1, 5, 9]) {
        expect(await writeSnapshot(sql, room.id, room.epoch, seq, Uint8Array.from([seq]), vector)).toBe(
          'written',
        )
      }
      expect(await readSnapshotSeqs(sql, room.id)).toEqual([9, 5])
      expect(await readLatestSnapshot(sql, room.id)).toEqual({
        seq: 9,
        state: Uint8Array.from([9]),
        stateVector: vector,
      })
    })

    test('idempotent: the first of a seq stays, whoever writes it again, or at once', async () => {
      const room = await newRoom()
      const other = connectWorker(store.connection)
      try {
        const write = (on: Sql, byte: number): Promise<string> =>
          writeSnapshot(on, room.id, room.epoch, 4, new Uint8Array(2_200_000).fill(byte), vector)
        const outcomes = await Promise.all([write(sql, 1), write(other, 2)])
        expect(outcomes.sort()).toEqual(['exists', 'written'])
        expect(await write(sql, 3)).toBe('exists')
        const state = (await readLatestSnapshot(sql, room.id))?.state
        expect(state?.length).toBe(2_200_000)
        // All parts are of one writer.
        expect(new Set(state).size).toBe(1)
        const [drafts] =
          await sql`select count(*)::int as left from snapshots where room_id = ${room.id} and seq < 0`
        expect(drafts?.['left']).toBe(0)
      } finally {
        await other.end()
      }
    })

    test('a room of another epoch takes none', async () => {
      const room = await newRoom()
      expect(await writeSnapshot(sql, room.id, room.epoch + 1, 1, vector, vector)).toBe('fenced')
      expect(await readSnapshotSeqs(sql, room.id)).toEqual([])
    })

    test('20 MB come back as they went in, in rows of at most 1 MiB', async () => {
      const room = await newRoom()
      const state = randomBytes(20_000_001)
      await writeSnapshot(sql, room.id, room.epoch, 3, state, vector)
      const read = await readLatestSnapshot(sql, room.id)
      expect(read?.seq).toBe(3)
      expect(Buffer.compare(read?.state ?? new Uint8Array(), state)).toBe(0)
      const [sizes] =
        await sql`select max(octet_length(state)) as most, count(*)::int as parts from snapshots where room_id = ${room.id}`
      expect(sizes).toMatchObject({ most: 1_048_576, parts: 20 })
    })

    test('an empty state is a snapshot too', async () => {
      const room = await newRoom()
      await writeSnapshot(sql, room.id, room.epoch, 1, new Uint8Array(), new Uint8Array())
      expect(await readLatestSnapshot(sql, room.id)).toMatchObject({ seq: 1, state: new Uint8Array() })
    })
  })

  test('a quarantined event is kept once; the log keeps its seq', async () => {
    const room = await newRoom()
    const event = { roomId: room.id, seq: 1, payload: Uint8Array.from([1]), reason: 'does not\0 apply' }
    await quarantineEvent(sql, event)
    await quarantineEvent(sql, event)
    await quarantineEvent(sql, { ...event, seq: null })
    await quarantineEvent(sql, { ...event, seq: null })
    const rows = await sql`select seq, reason from quarantined_events where room_id = ${room.id} order by id`
    expect(rows.map((row) => row['seq'] as unknown)).toEqual([1, null, null])
  })

  describe('connections', () => {
    test('I7: a query that fails on one connection is not felt on the others', async () => {
      const room = await newRoom()
      const bad = connectWorker(store.connection)
      try {
        const results = await Promise.allSettled(
          Array.from({ length: 60 }, (_, i) => {
            switch (i % 4) {
              case 0:
                return bad.unsafe(`select no_such_column_${i} from rooms where id = $1`, [1], {
                  prepare: true,
                })
              case 1:
                return bad`select 1 / ${0}::int as x`
              case 2:
                return sql<{ x: number }[]>`select ${i}::int as x`
              default:
                return store.commit([updateOf(room)])
            }
          }),
        )
        for (const [i, result] of results.entries()) {
          expect(result.status).toBe(i % 4 < 2 ? 'rejected' : 'fulfilled')
          if (i % 4 === 2) expect(result).toMatchObject({ value: [{ x: i }] })
        }
        expect(await seqsIn(store, room)).toEqual(dense(15))
      } finally {
        await bad.end()
      }
    })

    test('a client that vanishes in a transaction leaves nothing behind', async () => {
      const room = await newRoom()
      const gone = connectWorker(store.connection)
      await gone.unsafe('begin')
      await gone`insert into quarantined_events (room_id, payload, reason) values (${room.id}, '', 'never committed')`
      const waiting = store.commit([updateOf(room)])
      await gone.end({ timeout: 0 })
      expect(await waiting).toEqual([{ status: 'committed', seq: 1 }])
      const rows = await sql`select 1 from quarantined_events where room_id = ${room.id}`
      expect(rows.length).toBe(0)
    })
  })

  test('ping answers; migrating again changes nothing', async () => {
    await store.ping()
    await migrateStore(store.connection)
    await store.ping()
  })

  test('I1: what was committed is there after a close and a new start; a closed store fails', async () => {
    const room = await newRoom()
    await store.commit([updateOf(room), updateOf(room)])
    await sql.end()
    const closed = store
    await closed.close()
    await expect(closed.ping()).rejects.toMatchObject({ name: 'StoreError', kind: 'transient' })
    store = await backend.open()
    sql = connectWorker(store.connection)
    expect(await store.openRoom('contract', `room ${rooms}`)).toEqual({ ...room, headSeq: 2 })
    expect(await seqsIn(store, room)).toEqual([1, 2])
  })
}
