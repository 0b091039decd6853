import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readPermissions, type Revocation } from '../auth/index.js'
import type { StoreBackend } from './store.contract.js'
import { StoreError, type Store } from './types.js'

/** What every store does with decisions about users, whatever database is behind it. */
export function revocationsContract(makeBackend: () => Promise<StoreBackend>): void {
  describe('decisions about users', () => {
    let backend: StoreBackend
    let store: Store

    beforeAll(async () => {
      backend = await makeBackend()
      store = await backend.open()
    })
    afterAll(async () => {
      await store.close()
      await backend.dispose()
    })

    const grant = (room: string, at: number, given: unknown = 'read'): Revocation => ({
      do: 'grant',
      tenant: 't',
      user: 'ada',
      room,
      permissions: readPermissions(given) ?? null,
      at,
    })

    test('P48, P49: they come back as they were, the newest of each user and room, page by page', async () => {
      expect(await store.revocations(null, 0)).toEqual({ revocations: [], next: null, more: false })
      const kept: Revocation[] = [
        grant('naïve ☃', 5, ['presence']),
        grant('b', 6, 'write'),
        grant('none', 7, []),
        { do: 'disconnect', tenant: 't', user: 'ada', final: true, at: 8 },
        { do: 'disconnect', tenant: '', user: 'ada', final: false, at: 9 },
      ]
      for (const revocation of kept) await store.revoke(revocation)
      const all = await store.revocations(null, 0)
      expect(all.revocations).toEqual(kept)
      // Nothing is newer.
      expect((await store.revocations(all.next, 0)).revocations).toEqual([])
      expect((await store.revocations(all.next, 60_000)).revocations).toEqual(kept)
      await store.revoke(grant('b', 10, []))
      await store.revoke(grant('b', 9, 'write'))
      const news = await store.revocations(all.next, 0)
      expect(news.revocations).toEqual([grant('b', 10, [])])
      await store.removeRevocations(8)
      const left = (await store.revocations(null, 0)).revocations.map(({ at }) => at)
      expect(left).toEqual([8, 9, 10])
    })

    test('names that PostgreSQL cannot hold are refused', async () => {
      await expect(store.revoke(grant('a\0', 1))).rejects.toBeInstanceOf(StoreError)
    })
  })
}
