/* What a room has on the device: read before the first join, written from then on. */
import * as Y from 'yjs'
import { applyUpdates } from '../apply.js'
import { WeftError } from '../errors.js'
import { isEmpty } from '../missing.js'
import { editsOf, updatesOf } from '../outbox.js'
import type { RoomKeeper, RoomKeeperHost, RoomSource, RoomStore } from '../persistence.js'
import { refuseCarried } from '../refusal.js'
import { createWaiters } from '../waiters.js'

/** @param open opens the room in the store */
export const createRoomKeeper = (
  host: RoomKeeperHost,
  open: (source: RoomSource) => RoomStore,
): RoomKeeper => {
  /** Who waits for the changes of closed tabs. */
  const waiters = createWaiters()
  let restoring = false
  const store = open({
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
      refuseCarried(host.changes, change, error)
    },
  })
  const keeper: RoomKeeper = {
    store,
    get restoring() {
      return restoring
    },
    get unsaved() {
      return store.carried.reduce((sum, change) => sum + editsOf(change), 0)
    },
    get updates() {
      return updatesOf(store.carried)
    },
    delivered: () => (keeper.unsaved === 0 ? Promise.resolve() : waiters.wait(0)),
    fail: waiters.fail,
    recreated: (epoch, error) => {
      const lost = store.outdated(epoch)
      // Who waits is told that it was in vain, before nothing is left to wait for.
      if (lost.length > 0) waiters.refused(0, error)
      store.giveUp(lost)
      return updatesOf(lost)
    },
    restore: async () => {
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
