/* What a room has on the device, if the client keeps anything: read before the first join, written from then on. */
import * as Y from 'yjs'
import { applyUpdates } from './apply.js'
import { WeftError } from './errors.js'
import { isEmpty } from './missing.js'
import { editsOf, updatesOf, type Change } from './outbox.js'
import type { PersistenceSession, RoomStore } from './persistence.js'
import { createWaiters } from './waiters.js'

/** What a keeper needs of its room. */
export interface RoomKeeperHost {
  readonly doc: Y.Doc
  readonly epoch: number | null
  /** A local change that is not settled, as it is now. */
  change(n: number): Change | undefined
  /** What was kept is in the document. @param watermark where to resume; null when only state vectors can tell */
  resume(epoch: number | null, watermark: number | null): void
  /** The number of carried changes has changed. */
  counted(): void
  /** None is left. */
  settled(): void
  /** A carried change was refused. */
  refused(change: Change, error: WeftError): void
}

export interface RoomKeeper {
  readonly store: RoomStore | null
  /** What was kept is being read: the room is joined after that. */
  readonly restoring: boolean
  /** Edits of closed tabs that count as unsaved here. */
  readonly unsaved: number
  /** The updates among them: they are on their way and need not be sent otherwise. */
  readonly updates: Uint8Array[]
  /** Resolves when they are settled. */
  delivered(): Promise<void>
  /** Tells those who wait that it is in vain. */
  fail(error: WeftError): void
  /** The room was deleted and made again. Returns the carried updates that are lost. */
  recreated(error: WeftError): Uint8Array[]
  /** Reads what was kept into the document. Resolves with whether there was anything. Never rejects. */
  restore(): Promise<boolean>
}

export const createRoomKeeper = (
  name: string,
  session: PersistenceSession | null,
  host: RoomKeeperHost,
): RoomKeeper => {
  /** Who waits for the changes of closed tabs. */
  const waiters = createWaiters()
  let restoring = false
  const store =
    session?.room(name, {
      get epoch() {
        return host.epoch
      },
      get gc() {
        return host.doc.gc
      },
      change: (n) => host.change(n),
      document: () => Y.encodeStateAsUpdate(host.doc),
      carriedChanged: () => host.counted(),
      carriedSettled: () => {
        waiters.settle(Infinity)
        host.settled()
      },
      carriedLost: (change, code, message) => {
        const error = new WeftError(code, message)
        waiters.refused(0, error)
        host.refused(change, error)
      },
    }) ?? null
  const keeper: RoomKeeper = {
    store,
    get restoring() {
      return restoring
    },
    get unsaved() {
      return (store?.carried ?? []).reduce((sum, change) => sum + editsOf(change), 0)
    },
    get updates() {
      return updatesOf(store?.carried ?? [])
    },
    delivered: () => (keeper.unsaved === 0 ? Promise.resolve() : waiters.wait(0)),
    fail: waiters.fail,
    recreated: (error) => {
      const { updates } = keeper
      waiters.refused(0, error)
      store?.giveUpCarried()
      return updates
    },
    restore: async () => {
      if (store === null) return false
      restoring = true
      const { doc } = host
      const brought = isEmpty(doc) ? null : Y.encodeStateAsUpdate(doc)
      const kept = await store.load()
      restoring = false
      let damage: unknown = null
      if (kept !== null) {
        applyUpdates(host.doc, kept.updates, keeper, (_, cause) => (damage ??= cause))
        if (damage !== null) store.damaged(damage)
        // A document that the app has brought along holds what the server has not: state vectors tell what (P19).
        else host.resume(kept.epoch, brought === null ? kept.watermark : null)
      }
      if (brought !== null) store.applied([brought])
      return kept !== null && damage === null
    },
  }
  return keeper
}
