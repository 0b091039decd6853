/* What a room has on the device, if the client keeps anything: read before the first join, written from then on. */
import * as Y from 'yjs'
import { applyUpdates } from './apply.js'
import { WeftError } from './errors.js'
import { editsOf, type Change } from './outbox.js'
import type { KeptRoom, PersistenceSession, RoomSource, RoomStore } from './persistence.js'
import { isEmpty } from './missing.js'
import { Waiters } from './waiters.js'

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

export class RoomKeeper {
  readonly store: RoomStore | null
  /** What was kept is being read: the room is joined after that. */
  restoring = false
  private readonly host: RoomKeeperHost
  /** Who waits for the changes of closed tabs. */
  private readonly waiters = new Waiters()

  constructor(name: string, session: PersistenceSession | null, host: RoomKeeperHost) {
    this.host = host
    this.store = session?.room(name, this.source()) ?? null
  }

  /** Edits of closed tabs that count as unsaved here. */
  get unsaved(): number {
    let sum = 0
    for (const change of this.store?.carried ?? []) sum += editsOf(change)
    return sum
  }

  /** The updates among them: they are on their way and need not be sent otherwise. */
  get updates(): Uint8Array[] {
    return updatesOf(this.store?.carried ?? [])
  }

  /** Resolves when they are settled. */
  delivered(): Promise<void> {
    return this.unsaved === 0 ? Promise.resolve() : this.waiters.wait(0)
  }

  /** Tells those who wait that it is in vain. */
  fail(error: WeftError): void {
    this.waiters.fail(error)
  }

  /** The room was deleted and made again, with that epoch. Returns the carried updates that are lost. */
  recreated(epoch: number, error: WeftError): Uint8Array[] {
    const lost = this.store?.outdated(epoch) ?? []
    // Who waits is told that it was in vain, before nothing is left to wait for.
    if (lost.length > 0) this.waiters.refused(0, error)
    this.store?.giveUp(lost)
    return updatesOf(lost)
  }

  /** Reads what was kept into the document. Resolves with whether there was anything. Never rejects. */
  async restore(): Promise<boolean> {
    if (this.store === null) return false
    this.restoring = true
    const brought = isEmpty(this.host.doc) ? null : Y.encodeStateAsUpdate(this.host.doc)
    const kept = await this.store.load()
    this.restoring = false
    const taken = kept !== null && this.take(kept, brought === null)
    if (brought !== null) this.store.applied([brought])
    return taken
  }

  private take({ updates, epoch, watermark }: KeptRoom, fresh: boolean): boolean {
    let damage: unknown = null
    applyUpdates(this.host.doc, updates, this, (_, cause) => (damage ??= cause))
    if (damage !== null) {
      this.store?.damaged(damage)
      return false
    }
    // A document that the app has brought along holds what the server has not: state vectors tell what (P19).
    this.host.resume(epoch, fresh ? watermark : null)
    return true
  }

  /** What the store asks. */
  private source(): RoomSource {
    const { host, waiters } = this
    return {
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
        waiters.settle(null)
        host.settled()
      },
      carriedLost: (change, code, message) => {
        const error = new WeftError(code, message)
        waiters.refused(0, error)
        host.refused(change, error)
      },
    }
  }
}

const updatesOf = (changes: readonly Change[]): Uint8Array[] =>
  changes.flatMap((change) => (change.kind === 'update' ? [change.update] : []))
