import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { StoreUnderTest } from './history.contract.js'
import { writeSnapshot } from './snapshots.js'
import { clientId, messageOf, updateOf } from './store.contract.js'
import type { CommitEntry, CommitResult, RoomRow } from './types.js'

/** How every store commits what is to be the first content of a room. */
export function seedContract({ newRoom, store, sql }: StoreUnderTest): void {
  const seedOf = (
    room: RoomRow,
    client: string,
    payload: readonly number[] = [1, 2, 3],
    { n = 1, author = null }: { n?: number; author?: string | null } = {},
  ): CommitEntry => ({ ...updateOf(room, payload), author, clientId: client, clientSeq: n, seed: true })
  const commit = (...entries: CommitEntry[]): Promise<CommitResult[]> => store().commit(entries)
  const [a, b] = [clientId(), clientId()]
  const refused = { status: 'not_empty' }

  describe('seeds', () => {
    test('P54: the first is committed, one client after the other and all at once; it is an update like others', async () => {
      const room = await newRoom()
      expect(await commit(seedOf(room, a))).toEqual([{ status: 'committed', seq: 1 }])
      expect(await commit(seedOf(room, b))).toEqual([refused])
      expect(await store().readEvents(room.id, 0, 10, 10)).toMatchObject([
        { seq: 1, kind: 'update', clientId: a, clientSeq: 1, name: null },
      ])
      const crowd = await newRoom()
      const results = await Promise.all(Array.from({ length: 10 }, () => commit(seedOf(crowd, clientId()))))
      expect(results.flat().filter(({ status }) => status === 'committed')).toEqual([
        { status: 'committed', seq: 1 },
      ])
      expect(results.flat().filter(({ status }) => status === 'not_empty')).toHaveLength(9)
    })

    test('P54: an update is content, a message is none', async () => {
      const [talked, typed] = [await newRoom(), await newRoom()]
      await commit(
        messageOf(talked, { client: b, n: 1 }),
        messageOf(talked, { client: b, n: 2 }),
        updateOf(typed),
      )
      expect(await commit(seedOf(talked, a), seedOf(typed, a))).toEqual([
        { status: 'committed', seq: 3 },
        refused,
      ])
      expect(await commit(messageOf(talked, { client: b, n: 3 }), updateOf(talked))).toEqual([
        { status: 'committed', seq: 4 },
        { status: 'committed', seq: 5 },
      ])
    })

    test('P54, I2: what stands before it in the batch counts, in its own room', async () => {
      const [x, y, z] = [await newRoom(), await newRoom(), await newRoom()]
      const results = await commit(
        messageOf(x, { client: b, n: 1 }),
        seedOf(x, a),
        updateOf(y, [9]),
        seedOf(x, b),
        seedOf(y, a),
        updateOf(x, [8]),
        seedOf(z, b, [7]),
        messageOf(x, { client: b, n: 1 }),
      )
      expect(results).toEqual([
        { status: 'committed', seq: 1 },
        { status: 'committed', seq: 2 },
        { status: 'committed', seq: 1 },
        refused,
        refused,
        { status: 'committed', seq: 3 },
        { status: 'committed', seq: 1 },
        { status: 'duplicate', seq: 1 },
      ])
      const payloads = (await store().readEvents(x.id, 0, 10, 10)).map(({ payload }) => [...payload])
      expect(payloads).toEqual([[7], [1, 2, 3], [8]])
    })

    test('P56: sent again it is recognised by user, client and n, in the log and in the batch, however much came after', async () => {
      const room = await newRoom()
      const own = seedOf(room, a, [4, 5], { n: 3, author: 'ada' })
      const others = [
        seedOf(room, a, [4, 5], { n: 4, author: 'ada' }),
        seedOf(room, a, [4, 5], { n: 3, author: 'bob' }),
        seedOf(room, b, [4, 5], { n: 3, author: 'ada' }),
      ]
      const changed = seedOf(room, a, [4, 6], { n: 3, author: 'ada' })
      expect(await commit(messageOf(room, { client: b, n: 1 }), own, own, changed, ...others)).toEqual([
        { status: 'committed', seq: 1 },
        { status: 'committed', seq: 2 },
        { status: 'duplicate', seq: 2 },
        { status: 'conflict', seq: 2 },
        refused,
        refused,
        refused,
      ])
      await commit(updateOf(room), updateOf(room))
      expect(await commit(own, changed, ...others)).toEqual([
        { status: 'duplicate', seq: 2 },
        { status: 'conflict', seq: 2 },
        refused,
        refused,
        refused,
      ])
      expect(await commit(updateOf(room))).toEqual([{ status: 'committed', seq: 5 }])
    })

    test('P54: a snapshot is content, unless it is that of a room with messages only', async () => {
      const [empty, full] = [await newRoom(), await newRoom()]
      for (const [room, state] of [
        [empty, [0, 0]],
        [full, [1, 1, 0]],
      ] as const) {
        await commit(messageOf(room, { client: b, n: 1 }))
        await writeSnapshot(sql(), room.id, room.epoch, 1, Uint8Array.from(state), Uint8Array.of(0))
      }
      expect(await commit(seedOf(empty, a), seedOf(full, a))).toEqual([
        { status: 'committed', seq: 2 },
        refused,
      ])
    })

    test('P54: a room older than the record of its first update is looked up once', async () => {
      const [empty, full] = [await newRoom(), await newRoom()]
      await commit(
        messageOf(empty, { client: b, n: 1 }),
        messageOf(full, { client: b, n: 1 }),
        updateOf(full),
      )
      await sql()`update rooms set first_update_seq = 0 where id in (${empty.id}, ${full.id})`
      expect(await commit(seedOf(full, a), seedOf(empty, a))).toEqual([
        refused,
        { status: 'committed', seq: 2 },
      ])
      const rows = await sql()<{ first: number }[]>`
        select first_update_seq as first from rooms where id in (${empty.id}, ${full.id}) order by id`
      expect(rows.map(({ first }) => first)).toEqual([2, 2])
    })

    test('a room of another epoch takes none; a message is none', async () => {
      const room = await newRoom()
      expect(await commit({ ...seedOf(room, a), epoch: room.epoch + 1 })).toEqual([{ status: 'fenced' }])
      await expect(commit({ ...messageOf(room, { client: a, n: 1 }), seed: true })).rejects.toMatchObject({
        kind: 'rejected',
      })
    })

    test('P54, P56, by property: of any batches the first content stands, and every seed hears so', async () => {
      const entry = fc.record({
        kind: fc.constantFrom('seed', 'seed', 'update', 'message'),
        client: fc.constantFrom(a, b),
        n: fc.integer({ min: 1, max: 2 }),
        payload: fc.constantFrom([1], [2, 2]),
      })
      const seen = new Set<string>()
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.array(entry, { maxLength: 5, minLength: 1 }), { maxLength: 4 }),
          async (batches) => {
            const room = await newRoom()
            let head = 0
            let first: { key: string; payload: string; seq: number } | null = null
            const said = new Map<string, { payload: string; seq: number }>()
            for (const batch of batches) {
              const expected: CommitResult[] = []
              for (const { kind, client, n, payload } of batch) {
                const key = `${client} ${n}`
                const content = payload.join()
                const known =
                  kind === 'message'
                    ? said.get(key)
                    : kind === 'seed' && first?.key === key
                      ? first
                      : undefined
                if (known !== undefined) {
                  expected.push({
                    status: known.payload === content ? 'duplicate' : 'conflict',
                    seq: known.seq,
                  })
                } else if (kind === 'seed' && first !== null) expected.push({ status: 'not_empty' })
                else {
                  expected.push({ status: 'committed', seq: ++head })
                  if (kind === 'message') said.set(key, { payload: content, seq: head })
                  else first ??= { key: kind === 'seed' ? key : '', payload: content, seq: head }
                }
              }
              for (const { status } of expected) seen.add(status)
              const entries = batch.map(({ kind, client, n, payload }) =>
                kind === 'seed'
                  ? seedOf(room, client, payload, { n })
                  : kind === 'update'
                    ? updateOf(room, payload)
                    : messageOf(room, { client, n }, 'm', payload),
              )
              expect(await commit(...entries)).toEqual(expected)
            }
          },
        ),
        { numRuns: 60 },
      )
      expect(seen).toEqual(new Set(['committed', 'duplicate', 'conflict', 'not_empty']))
    })
  })
}
