import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { asRoomId } from '../ids.js'
import { quarantineEvent, readEventRows } from './events.js'
import { historyContract } from './history.contract.js'
import { migrateStore } from './migrate.js'
import { seedContract } from './seed.contract.js'
import { connectWorker, readLatestSnapshot, readSnapshotSeqs, writeSnapshot } from './snapshots.js'
import type { Sql } from './sql.js'
import { StoreError, type CommitEntry, type RoomRow, type Store } from './types.js'

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

/** What every store does, whatever database is behind it. */
export function storeContract(makeBackend: () => Promise<StoreBackend>): void {
  let backend: StoreBackend
  let store: Store
  let sql: Sql
  let rooms = 0
  const newRoom = (): Promise<RoomRow> => store.openRoom('contract', `room ${++rooms}`)
  const seqsIn = async (room: RoomRow): Promise<number[]> =>
    (await store.readEvents(room.id, 0, 1e9, 1e6)).map((event) => event.seq)
  const dense = (length: number): number[] => Array.from({ length }, (_, i) => i + 1)

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

  describe('commit', () => {
    test('I2: seqs are dense from 1 and in batch order, in each room of the batch', async () => {
      const [a, b] = [await newRoom(), await newRoom()]
      const results = await store.commit([
        updateOf(a, [1]),
        updateOf(b, [2]),
        updateOf(a, [3]),
        updateOf(a, [4]),
      ])
      expect(results.map((result) => ('seq' in result ? result.seq : null))).toEqual([1, 1, 2, 3])
      const events = await store.readEvents(a.id, 0, 100, 100)
      expect(events.map((event) => [event.seq, [...event.payload]])).toEqual([
        [1, [1]],
        [2, [3]],
        [3, [4]],
      ])
    })

    test('I2: concurrent commits leave no gap and no seq twice', async () => {
      const [a, b] = [await newRoom(), await newRoom()]
      const batches = Array.from({ length: 30 }, (_, i) =>
        store.commit([updateOf(i % 2 ? a : b), updateOf(i % 2 ? b : a), updateOf(a)]),
      )
      await Promise.all(batches)
      expect(await seqsIn(a)).toEqual(dense(60))
      expect(await seqsIn(b)).toEqual(dense(30))
    })

    test('an event comes back as it went in', async () => {
      const room = await newRoom()
      const client = clientId()
      const author = `o'neil "x" \\ {1,2} NULL ☃`
      const before = Date.now()
      await store.commit([
        messageOf(room, { author, client, n: 2 ** 53 - 1 }, 'NULL', [0, 255, 92]),
        { ...updateOf(room, []), author: 'NULL', clientId: client, clientSeq: 3 },
      ])
      const [message, update] = await store.readEvents(room.id, 0, 10, 10)
      expect(message).toMatchObject({
        kind: 'message',
        author,
        clientId: client,
        clientSeq: 2 ** 53 - 1,
        name: 'NULL',
      })
      expect([...(message?.payload ?? [])]).toEqual([0, 255, 92])
      expect(update).toMatchObject({
        kind: 'update',
        author: 'NULL',
        clientId: client,
        clientSeq: 3,
        name: null,
      })
      expect(update?.payload.length).toBe(0)
      expect(Math.abs((message?.createdAt ?? 0) - before)).toBeLessThan(60_000)
    })

    test('I2: a retried message keeps its seq and is stored once', async () => {
      const room = await newRoom()
      const key = { author: 'ann', client: clientId(), n: 1 }
      await store.commit([updateOf(room, [9, 9, 9])])
      expect(await store.commit([messageOf(room, key)])).toEqual([{ status: 'committed', seq: 2 }])
      // Not the first of its batch: the payload compared must be its own.
      expect(await store.commit([updateOf(room, [1, 1]), messageOf(room, key), updateOf(room)])).toEqual([
        { status: 'committed', seq: 3 },
        { status: 'duplicate', seq: 2 },
        { status: 'committed', seq: 4 },
      ])
      expect(await seqsIn(room)).toEqual(dense(4))
    })

    test('the same key with another name or payload is a conflict', async () => {
      const room = await newRoom()
      const key = { client: clientId(), n: 1 }
      await store.commit([messageOf(room, key, 'a', [1])])
      expect(await store.commit([messageOf(room, key, 'b', [1]), messageOf(room, key, 'a', [1, 2])])).toEqual(
        [
          { status: 'conflict', seq: 1 },
          { status: 'conflict', seq: 1 },
        ],
      )
    })

    test('a key is room, author, client and number: any other one of them is another message', async () => {
      const [a, b] = [await newRoom(), await newRoom()]
      const client = clientId()
      const results = await store.commit([
        messageOf(a, { author: 'x', client, n: 1 }),
        messageOf(a, { author: 'y', client, n: 1 }),
        messageOf(a, { author: null, client, n: 1 }),
        messageOf(a, { author: 'x', client: clientId(), n: 1 }),
        messageOf(a, { author: 'x', client, n: 2 }),
        messageOf(b, { author: 'x', client, n: 1 }),
      ])
      expect(results.map((result) => result.status)).toEqual(Array.from({ length: 6 }, () => 'committed'))
    })

    test('duplicates and conflicts within one batch point at the first of their key', async () => {
      const room = await newRoom()
      const key = { client: clientId(), n: 1 }
      expect(
        await store.commit([
          updateOf(room, [5, 5]),
          messageOf(room, key, 'a', [1, 2]),
          updateOf(room),
          messageOf(room, key, 'a', [1, 2]),
          messageOf(room, key, 'a', [1, 3]),
          messageOf(room, key, 'b', [1, 2]),
          updateOf(room),
        ]),
      ).toEqual([
        { status: 'committed', seq: 1 },
        { status: 'committed', seq: 2 },
        { status: 'committed', seq: 3 },
        { status: 'duplicate', seq: 2 },
        { status: 'conflict', seq: 2 },
        { status: 'conflict', seq: 2 },
        { status: 'committed', seq: 4 },
      ])
    })

    test('two commits of the same message at once: one commits, the other is its duplicate', async () => {
      const room = await newRoom()
      const key = { client: clientId(), n: 1 }
      const results = await Promise.all(Array.from({ length: 8 }, () => store.commit([messageOf(room, key)])))
      expect(
        results
          .flat()
          .map((result) => result.status)
          .sort(),
      ).toEqual(['committed', ...Array.from({ length: 7 }, () => 'duplicate')])
      expect(await seqsIn(room)).toEqual([1])
    })

    test('another epoch, or no such room, is fenced, and takes no seq', async () => {
      const room = await newRoom()
      expect(
        await store.commit([
          updateOf(room),
          updateOf({ ...room, epoch: room.epoch + 1 }),
          updateOf({ ...room, id: asRoomId(123_456_789) }),
          messageOf({ ...room, epoch: 5 }, { client: clientId(), n: 1 }),
          updateOf(room),
        ]),
      ).toEqual([
        { status: 'committed', seq: 1 },
        { status: 'fenced' },
        { status: 'fenced' },
        { status: 'fenced' },
        { status: 'committed', seq: 2 },
      ])
    })

    test('the same in a batch of updates alone, whatever the order of its rooms', async () => {
      const [first, second, gone] = [await newRoom(), await newRoom(), await newRoom()]
      expect(
        await store.commit([
          updateOf(second),
          updateOf({ ...gone, epoch: gone.epoch + 1 }),
          updateOf(first),
          updateOf({ ...first, id: asRoomId(123_456_789) }),
          updateOf(second, [9]),
        ]),
      ).toEqual([
        { status: 'committed', seq: 1 },
        { status: 'fenced' },
        { status: 'committed', seq: 1 },
        { status: 'fenced' },
        { status: 'committed', seq: 2 },
      ])
      expect(await store.commit([updateOf({ ...gone, epoch: gone.epoch + 1 })])).toEqual([
        { status: 'fenced' },
      ])
      expect((await store.readEvents(second.id, 0, 1e9, 10)).map(({ payload }) => [...payload])).toEqual([
        [1, 2, 3],
        [9],
      ])
      expect(await seqsIn(gone)).toEqual([])
      // A room whose entries disagree about its epoch.
      expect(await store.commit([updateOf(gone), updateOf({ ...gone, epoch: gone.epoch + 1 })])).toEqual([
        { status: 'committed', seq: 1 },
        { status: 'fenced' },
      ])
    })

    test('an update has no key: the same again is another event', async () => {
      const room = await newRoom()
      const entry = { ...updateOf(room), author: 'x', clientId: clientId(), clientSeq: 1 }
      expect(await store.commit([entry, entry])).toMatchObject([{ seq: 1 }, { seq: 2 }])
    })

    test.each([
      ['a NUL in the name', (room: RoomRow) => messageOf(room, { client: clientId(), n: 1 }, 'a\0')],
      ['a lone surrogate in the author', (room: RoomRow) => ({ ...updateOf(room), author: '\ud83d' })],
      ['a client id that is none', (room: RoomRow) => ({ ...updateOf(room), clientId: '{"a"},b' })],
      ['a client number that is no integer', (room: RoomRow) => ({ ...updateOf(room), clientSeq: 0.5 })],
      ['an update with a name', (room: RoomRow) => ({ ...updateOf(room), name: 'x' })],
      [
        'a key too long for the index',
        (room: RoomRow) =>
          messageOf(room, { author: randomBytes(6000).toString('hex'), client: clientId(), n: 1 }),
      ],
    ])('I7: %s is rejected whole, and the next commit works', async (_, entry) => {
      const room = await newRoom()
      const error: unknown = await store
        .commit([updateOf(room), entry(room)])
        .catch((caught: unknown) => caught)
      expect(error).toBeInstanceOf(StoreError)
      expect(error).toMatchObject({ kind: 'rejected' })
      expect(await store.commit([updateOf(room)])).toEqual([{ status: 'committed', seq: 1 }])
    })

    test('I2, by property: whatever the batches, seqs are dense and payloads stand in order', async () => {
      const client = clientId()
      const entry = fc.record({
        room: fc.nat(2),
        payload: fc.array(fc.nat(255), { maxLength: 4 }),
        message: fc.option(fc.record({ n: fc.nat(3), name: fc.constantFrom('a', 'b') }), { nil: null }),
      })
      await fc.assert(
        fc.asyncProperty(fc.array(fc.array(entry, { maxLength: 12 }), { maxLength: 4 }), async (batches) => {
          const here = [await newRoom(), await newRoom(), await newRoom()]
          const expected = here.map((): number[][] => [])
          const keys = new Map<string, string>()
          for (const batch of batches) {
            const entries = batch.map(({ room, payload, message }) => {
              const row = here[room]
              if (row === undefined) throw new Error('unreachable: room is 0, 1 or 2')
              return message === null
                ? updateOf(row, payload)
                : messageOf(row, { client, n: message.n }, message.name, payload)
            })
            const results = await store.commit(entries)
            for (const [i, { room, payload, message }] of batch.entries()) {
              const key = message === null ? null : `${room} ${message.n}`
              const content = `${message?.name ?? ''} ${payload.join()}`
              const first = key === null ? undefined : keys.get(key)
              const status = first === undefined ? 'committed' : first === content ? 'duplicate' : 'conflict'
              expect(results[i]?.status).toBe(status)
              if (status !== 'committed') continue
              expected[room]?.push(payload)
              if (key !== null) keys.set(key, content)
              expect(results[i]).toEqual({ status, seq: expected[room]?.length })
            }
          }
          for (const [i, room] of here.entries()) {
            const events = await store.readEvents(room.id, 0, 1e9, 1e6)
            expect(events.map((event) => event.seq)).toEqual(dense(events.length))
            expect(events.map((event) => [...event.payload])).toEqual(expected[i])
          }
        }),
        { numRuns: 25 },
      )
    })
  })

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
        expect(await seqsIn(room)).toEqual(dense(15))
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
    expect(await seqsIn(room)).toEqual([1, 2])
  })
}
