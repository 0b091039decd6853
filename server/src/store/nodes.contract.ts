import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { asRoomId } from '../ids.js'
import { connectWorker } from './snapshots.js'
import type { Sql } from './sql.js'
import { updateOf, type StoreBackend } from './store.contract.js'
import type { Store } from './types.js'

/** What every store does with the nodes' rows, whatever database is behind it. */
export function nodesContract(makeBackend: () => Promise<StoreBackend>): void {
  describe('the nodes’ rows', () => {
    let backend: StoreBackend
    let store: Store
    let sql: Sql

    const lease = 8_000
    /** The row of a node that was alive until so many milliseconds ago. */
    const died = async (node: string, msAgo: number): Promise<void> => {
      await sql`insert into nodes values (${node}, clock_timestamp() - ${msAgo}::int * interval '1 ms')`
    }
    const rows = async (): Promise<string[]> =>
      (await sql<{ id: string }[]>`select id from nodes order by id`).map(({ id }) => id)

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

    test('I4: a sweep has the heads of the rooms that exist, as `heads` does, and the rows of the other nodes', async () => {
      const [a, b] = [await store.openRoom('nodes', 'a'), await store.openRoom('nodes', 'b')]
      await store.commit([updateOf(a), updateOf(a)])
      const ids = [a.id, b.id, asRoomId(987_654_321)]
      const alone = await store.sweep('ada', lease, ids)
      expect(alone.heads).toEqual(await store.heads(ids))
      expect(alone.heads.get(a.id)).toEqual({ headSeq: 2, epoch: a.epoch })
      expect([...alone.aliveUntil]).toEqual([])
      const two = await store.sweep('bob', lease, [])
      expect(two.heads.size).toBe(0)
      expect([...two.aliveUntil.keys()]).toEqual(['ada'])
      expect([...(await store.sweep('ada', lease, ids)).aliveUntil.keys()]).toEqual(['bob'])
    })

    test('a row says until when its node is alive, on the database’s clock, and each sweep renews it', async () => {
      const { now } = await store.sweep('ada', 8_000, [])
      const [clock] = await sql<{ now: number }[]>`select extract(epoch from now())::float8 * 1000 as now`
      expect(Math.abs((clock?.now ?? 0) - now)).toBeLessThan(5_000)
      const first = (await store.sweep('bob', lease, [])).aliveUntil.get('ada') ?? 0
      expect(first - now).toBeCloseTo(8_000, 0)
      const renewed = await store.sweep('ada', 3_500, [])
      expect(renewed.now).toBeGreaterThan(now)
      const second = (await store.sweep('bob', lease, [])).aliveUntil.get('ada') ?? 0
      // A shorter lease holds from now on, although the earlier one was longer.
      expect(second - renewed.now).toBeCloseTo(3_500, 0)
    })

    test('a row that has run out is still read; it is removed when its node has been dead for long', async () => {
      await died('dead', 60_000)
      await died('long dead', 700_000)
      const { now, aliveUntil } = await store.sweep('ada', lease, [])
      expect((aliveUntil.get('dead') ?? Infinity) < now).toBe(true)
      await store.removeDeadNodes(600_000)
      expect(await rows()).toEqual(['ada', 'bob', 'dead'])
    })

    test('a node that stops removes its own row, and no other; without a row it removes nothing', async () => {
      await store.sweep('ada', lease, [])
      await store.removeNode('bob')
      await store.removeNode('bob')
      expect(await rows()).toEqual(['ada', 'dead'])
    })

    test('many nodes at once, some of which remove what others renew: nobody waits for another, all are there', async () => {
      const names = Array.from({ length: 12 }, (_, i) => `node ${String(i).padStart(2, '0')}`)
      for (const name of names) await died(name, 700_000)
      await Promise.all(
        names.flatMap((name) => [store.sweep(name, lease, []), store.removeDeadNodes(600_000)]),
      )
      await Promise.all(names.map((name) => store.sweep(name, lease, [])))
      expect(await rows()).toEqual(['ada', 'dead', ...names])
    })
  })
}
