import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { asRoomId } from '../ids.js'
import type { StoreUnderTest } from './history.contract.js'
import { clientId, dense, messageOf, seqsIn, updateOf } from './store.contract.js'
import { StoreError, type RoomRow } from './types.js'

/** How every store commits. */
export function commitContract({ newRoom, store }: StoreUnderTest): void {
  describe('commit', () => {
    test('I2: seqs are dense from 1 and in batch order, in each room of the batch', async () => {
      const [a, b] = [await newRoom(), await newRoom()]
      const results = await store().commit([
        updateOf(a, [1]),
        updateOf(b, [2]),
        updateOf(a, [3]),
        updateOf(a, [4]),
      ])
      expect(results.map((result) => ('seq' in result ? result.seq : null))).toEqual([1, 1, 2, 3])
      const events = await store().readEvents(a.id, 0, 100, 100)
      expect(events.map((event) => [event.seq, [...event.payload]])).toEqual([
        [1, [1]],
        [2, [3]],
        [3, [4]],
      ])
    })

    test('I2: concurrent commits leave no gap and no seq twice', async () => {
      const [a, b] = [await newRoom(), await newRoom()]
      const batches = Array.from({ length: 30 }, (_, i) =>
        store().commit([updateOf(i % 2 ? a : b), updateOf(i % 2 ? b : a), updateOf(a)]),
      )
      await Promise.all(batches)
      expect(await seqsIn(store(), a)).toEqual(dense(60))
      expect(await seqsIn(store(), b)).toEqual(dense(30))
    })

    test('an event comes back as it went in', async () => {
      const room = await newRoom()
      const client = clientId()
      const author = `o'neil "x" \\ {1,2} NULL ☃`
      const before = Date.now()
      await store().commit([
        messageOf(room, { author, client, n: 2 ** 53 - 1 }, 'NULL', [0, 255, 92]),
        { ...updateOf(room, []), author: 'NULL', clientId: client, clientSeq: 3 },
      ])
      const [message, update] = await store().readEvents(room.id, 0, 10, 10)
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
      await store().commit([updateOf(room, [9, 9, 9])])
      expect(await store().commit([messageOf(room, key)])).toEqual([{ status: 'committed', seq: 2 }])
      // Not the first of its batch: the payload compared must be its own.
      expect(await store().commit([updateOf(room, [1, 1]), messageOf(room, key), updateOf(room)])).toEqual([
        { status: 'committed', seq: 3 },
        { status: 'duplicate', seq: 2 },
        { status: 'committed', seq: 4 },
      ])
      expect(await seqsIn(store(), room)).toEqual(dense(4))
    })

    test('the same key with another name or payload is a conflict', async () => {
      const room = await newRoom()
      const key = { client: clientId(), n: 1 }
      await store().commit([messageOf(room, key, 'a', [1])])
      expect(
        await store().commit([messageOf(room, key, 'b', [1]), messageOf(room, key, 'a', [1, 2])]),
      ).toEqual([
        { status: 'conflict', seq: 1 },
        { status: 'conflict', seq: 1 },
      ])
    })

    test('a key is room, author, client and number: any other one of them is another message', async () => {
      const [a, b] = [await newRoom(), await newRoom()]
      const client = clientId()
      const results = await store().commit([
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
        await store().commit([
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
      const results = await Promise.all(
        Array.from({ length: 8 }, () => store().commit([messageOf(room, key)])),
      )
      expect(
        results
          .flat()
          .map((result) => result.status)
          .sort(),
      ).toEqual(['committed', ...Array.from({ length: 7 }, () => 'duplicate')])
      expect(await seqsIn(store(), room)).toEqual([1])
    })

    test('another epoch, or no such room, is fenced, and takes no seq', async () => {
      const room = await newRoom()
      expect(
        await store().commit([
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
        await store().commit([
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
      expect(await store().commit([updateOf({ ...gone, epoch: gone.epoch + 1 })])).toEqual([
        { status: 'fenced' },
      ])
      expect((await store().readEvents(second.id, 0, 1e9, 10)).map(({ payload }) => [...payload])).toEqual([
        [1, 2, 3],
        [9],
      ])
      expect(await seqsIn(store(), gone)).toEqual([])
      // A room whose entries disagree about its epoch.
      expect(await store().commit([updateOf(gone), updateOf({ ...gone, epoch: gone.epoch + 1 })])).toEqual([
        { status: 'committed', seq: 1 },
        { status: 'fenced' },
      ])
    })

    test('an update has no key: the same again is another event', async () => {
      const room = await newRoom()
      const entry = { ...updateOf(room), author: 'x', clientId: clientId(), clientSeq: 1 }
      expect(await store().commit([entry, entry])).toMatchObject([{ seq: 1 }, { seq: 2 }])
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
      const error: unknown = await store()
        .commit([updateOf(room), entry(room)])
        .catch((caught: unknown) => caught)
      expect(error).toBeInstanceOf(StoreError)
      expect(error).toMatchObject({ kind: 'rejected' })
      expect(await store().commit([updateOf(room)])).toEqual([{ status: 'committed', seq: 1 }])
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
            const results = await store().commit(entries)
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
            const events = await store().readEvents(room.id, 0, 1e9, 1e6)
            expect(events.map((event) => event.seq)).toEqual(dense(events.length))
            expect(events.map((event) => [...event.payload])).toEqual(expected[i])
          }
        }),
        { numRuns: 25 },
      )
    })
  })
}
