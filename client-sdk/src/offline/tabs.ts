/*
 * Who is alive. Every tab has a client id, and holds a Web Lock with its name for as long as it lives; the browser lets go
 * of it when the tab is closed, crashes or is discarded. Whoever gets the lock of another's id knows that the other is
 * gone, and that nobody else looks after what it left.
 */
import { hexOf } from './records.js'

/** What is used of `navigator.locks`. */
export interface Locks {
  /** As `LockManager.request`: the lock is held until the promise of `granted` settles. */
  request(
    name: string,
    options: { ifAvailable?: boolean; signal?: AbortSignal },
    granted: (lock: object | null) => Promise<void>,
  ): Promise<unknown>
}

/** Gives a lock back. */
export type Release = () => void

/** @returns null when somebody has it and `ifAvailable` was asked for */
const hold = (
  locks: Locks,
  name: string,
  options: { ifAvailable?: boolean; signal?: AbortSignal },
): Promise<Release | null> =>
  new Promise((resolve, reject) => {
    const granted = (lock: object | null): Promise<void> => {
      if (lock !== null) return new Promise((release) => resolve(release))
      resolve(null)
      return Promise.resolve()
    }
    locks.request(name, options, granted).catch(reject)
  })

export interface TabsOptions {
  readonly locks: Locks
  /** The database and the scope in it: tabs of others are none of ours. */
  readonly place: string
  readonly clientId: Uint8Array
  /** A tab is gone. Its lock is held until `release` is called. Never rejects. */
  adopt(clientId: string, release: Release): Promise<void>
  failed(thrown: unknown): void
}

/** The tabs that share a database, as one of them sees them. */
export class Tabs {
  readonly own: string
  private readonly options: TabsOptions
  private readonly abort = new AbortController()
  private readonly known = new Set<string>()
  private channel: BroadcastChannel | null = null
  private release: Release | null = null

  constructor(options: TabsOptions) {
    this.options = options
    this.own = hexOf(options.clientId)
    this.known.add(this.own)
  }

  /** Takes the tab's own lock. Before that nothing may be written under its id: others would take it for abandoned. */
  async enter(): Promise<void> {
    this.release = await hold(this.options.locks, this.lockOf(this.own), {})
    if (this.abort.signal.aborted) this.leave()
  }

  /**
   * Looks after the tabs that have left traces in the database: adopts those that are gone, at once, and waits for the end
   * of the others.
   */
  async watch(clientIds: readonly string[]): Promise<void> {
    await Promise.all(clientIds.map((clientId) => this.look(clientId, true)))
    if (this.abort.signal.aborted || !('BroadcastChannel' in globalThis)) return
    // Tabs that come later say so: their end is waited for as well.
    this.channel = new BroadcastChannel(this.options.place)
    this.channel.onmessage = ({ data }: MessageEvent<unknown>) => {
      if (typeof data === 'string') void this.look(data, false)
    }
    this.channel.postMessage(this.own)
  }

  /** Ends it all, and lets others adopt what this tab has left. */
  leave(): void {
    this.abort.abort()
    this.channel?.close()
    this.channel = null
    this.release?.()
    this.release = null
  }

  /** Never rejects. */
  private async look(clientId: string, now: boolean): Promise<void> {
    if (this.known.has(clientId)) return
    this.known.add(clientId)
    const { locks, failed } = this.options
    try {
      const release = now ? await hold(locks, this.lockOf(clientId), { ifAvailable: true }) : null
      if (release !== null) await this.grant(clientId, release)
      else if (!this.abort.signal.aborted) void this.wait(clientId).catch(failed)
    } catch (thrown) {
      failed(thrown)
    }
  }

  private async wait(clientId: string): Promise<void> {
    const { signal } = this.abort
    try {
      const release = await hold(this.options.locks, this.lockOf(clientId), { signal })
      if (release !== null) await this.grant(clientId, release)
    } catch (thrown) {
      if (!signal.aborted) throw thrown
    }
  }

  private async grant(clientId: string, release: Release): Promise<void> {
    if (this.abort.signal.aborted) release()
    else await this.options.adopt(clientId, release)
  }

  private lockOf(clientId: string): string {
    return `${this.options.place}/${clientId}`
  }
}
