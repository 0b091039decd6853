import { describe, expect, test } from 'vitest'
import { messageQuery } from './messages.js'
import { writeSnapshot } from './snapshots.js'
import type { Sql } from './sql.js'
import { clientId, messageOf, updateOf } from './store.contract.js'
import type { MessagePage, MessageRange, RoomRow, Store } from './types.js'

/** The store under the contract. */
export interface StoreUnderTest {
  newRoom(): Promise<RoomRow>
  store(): Store
  /** A client of its own on the same database. */
  sql(): Sql
}

/** How every store reads a room's past. */
export function historyContract({ newRoom, store, sql }: StoreUnderTest): void {
  const all: MessageRange = { after: null, before: null, limit: 1000, maxBytes: 1e9 }
  const read = (room: RoomRow, range: Partial<MessageRange>): Promise<MessagePage | null> =>
    store().readMessages(room, { ...all, ...range })
  const seqs = async (room: RoomRow, range: Partial<MessageRange> = {}): Promise<[number[], boolean]> => {
    const page = await read(room, range)
    if (page === null) throw new Error('the room is there')
    return [page.messages.map(({ seq }) => seq), page.more]
  }
  const client = clientId()
  const say = (room: RoomRow, n: number, bytes = 1) =>
    messageOf(room, { author: 'ada', client, n }, 'comment', Array<number>(bytes).fill(n & 127))

  describe('messages of the past', () => {
    /** Messages at the odd seqs from 1 to 19, updates between them. */
    const mixed = async (): Promise<RoomRow> => {
      const room = await newRoom()
      const entries = Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? say(room, i + 1) : updateOf(room)))
      await store().commit(entries)
      return room
    }

    test('P51: the first after a seq, the last without one, below a bound; more tells of others in the range', async () => {
      const room = await mixed()
      const odd = [1, 3, 5, 7, 9, 11, 13, 15, 17, 19]
      expect(await seqs(room)).toEqual([odd, false])
      expect(await seqs(room, { after: 0, limit: 3 })).toEqual([[1, 3, 5], true])
      expect(await seqs(room, { after: 5, limit: 3 })).toEqual([[7, 9, 11], true])
      expect(await seqs(room, { after: 13, limit: 3 })).toEqual([[15, 17, 19], false])
      expect(await seqs(room, { after: 14, before: 19, limit: 2 })).toEqual([[15, 17], false])
      expect(await seqs(room, { after: 14, before: 20, limit: 2 })).toEqual([[15, 17], true])
      expect(await seqs(room, { limit: 3 })).toEqual([[15, 17, 19], true])
      expect(await seqs(room, { before: 15, limit: 3 })).toEqual([[9, 11, 13], true])
      expect(await seqs(room, { before: 6, limit: 3 })).toEqual([[1, 3, 5], false])
      for (const range of [{ after: 19 }, { before: 1 }, { after: 3, before: 5 }, { after: 9, before: 2 }]) {
        expect(await seqs(room, range)).toEqual([[], false])
      }
      expect(await seqs(await newRoom())).toEqual([[], false])
    })

    test('a message comes back as it was committed', async () => {
      const room = await newRoom()
      const before = Date.now()
      await store().commit([say(room, 7, 3)])
      const [message] = (await read(room, {}))?.messages ?? []
      expect(message).toMatchObject({
        seq: 1,
        kind: 'message',
        author: 'ada',
        clientId: client,
        clientSeq: 7,
        name: 'comment',
      })
      expect([...(message?.payload ?? [])]).toEqual([7, 7, 7])
      expect(message?.createdAt).toBeGreaterThan(before - 60_000)
      expect(message?.createdAt).toBeLessThan(Date.now() + 60_000)
    })

    test('P52: a page ends where its bytes do, in either direction, and holds one message however large', async () => {
      const room = await newRoom()
      await store().commit([1, 2, 3, 4, 5].map((n) => say(room, n, 1000)))
      // Name, author and what a message costs beside them: 1000 + 7 + 3 + 64.
      expect(await seqs(room, { after: 0, maxBytes: 2 * 1074 })).toEqual([[1, 2], true])
      expect(await seqs(room, { after: 0, maxBytes: 2 * 1074 - 1 })).toEqual([[1], true])
      expect(await seqs(room, { maxBytes: 3 * 1074 })).toEqual([[3, 4, 5], true])
      expect(await seqs(room, { before: 3, maxBytes: 10 })).toEqual([[2], true])
      expect(await seqs(room, { before: 2, maxBytes: 10 })).toEqual([[1], false])
    })

    test('compaction leaves them', async () => {
      const room = await mixed()
      const before = await seqs(room)
      await writeSnapshot(sql(), room.id, room.epoch, 20, Uint8Array.of(0, 0), Uint8Array.of(0))
      expect(await seqs(room)).toEqual(before)
    })

    test('a room that is gone, or in another life, has no past', async () => {
      const room = await store().openRoom('history', 'gone')
      await store().commit([say(room, 1)])
      expect(await read({ ...room, epoch: room.epoch + 1 }, {})).toBeNull()
      await store().deleteRoom('history', 'gone')
      expect(await read(room, {})).toBeNull()
    })

    test('one range of an index is read, however many updates lie between the messages', async () => {
      const room = await newRoom()
      await store().commit(
        Array.from({ length: 2_000 }, (_, i) => (i % 500 === 0 ? say(room, i + 1) : updateOf(room))),
      )
      for (const range of [{ after: 0 }, { after: null }, { after: 10, before: 1_900 }]) {
        const plan = await sql()<{ 'QUERY PLAN': string }[]>`
          explain ${messageQuery(sql(), room, { ...all, ...range, limit: 100 })}`
        const text = plan.map((row) => row['QUERY PLAN']).join('\n')
        expect(text).toMatch(/using events_messages on events/)
        expect(text).not.toMatch(/Sort.*\n.*Bitmap/)
      }
    })
  })
}
