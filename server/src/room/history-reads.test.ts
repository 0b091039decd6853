import { expect, test } from 'vitest'
import { asRoomId } from '../ids.js'
import { StoreError, type MessagePage, type Store } from '../store/types.js'
import { FairShares } from '../tenants/index.js'
import { HistoryReads } from './history-reads.js'

const room = { id: asRoomId(1), epoch: 1, tenant: '' }
const page: MessagePage = { messages: [], more: false }
const range = { after: null, before: null, limit: 1 }

/** A log that answers when it is told to. */
class SlowLog implements Pick<Store, 'readMessages'> {
  readonly asked: { resolve: (page: MessagePage | null) => void; reject: (error: Error) => void }[] = []

  readMessages(): Promise<MessagePage | null> {
    return new Promise((resolve, reject) => this.asked.push({ resolve, reject }))
  }
}

test('P53: a few pages are read at once, some wait, further ones are refused; a failure frees its place', async () => {
  const log = new SlowLog()
  const reads = new HistoryReads(log, { pageBytes: 1, concurrent: 2, waiting: new FairShares(50).limit(2) })
  const [first, second, third, fourth] = [1, 2, 3, 4].map(() => reads.read(room, range))
  await expect(reads.read(room, range)).rejects.toMatchObject({ code: 'overloaded' })
  expect(log.asked).toHaveLength(2)

  log.asked[0]?.reject(new StoreError('transient', 'the database is away', null))
  await expect(first).rejects.toThrow('away')
  expect(log.asked).toHaveLength(3)

  log.asked[1]?.resolve(null)
  await expect(second).rejects.toMatchObject({ code: 'room_deleted' })
  expect(log.asked).toHaveLength(4)

  log.asked[2]?.resolve(page)
  log.asked[3]?.resolve(page)
  expect(await third).toBe(page)
  expect(await fourth).toBe(page)
  const later = reads.read(room, range)
  await Promise.resolve()
  expect(log.asked).toHaveLength(5)
  log.asked[4]?.resolve(page)
  expect(await later).toBe(page)
})
