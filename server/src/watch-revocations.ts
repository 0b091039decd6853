import type { Revocation } from './auth/index.js'
import type { Bus } from './bus/index.js'
import type { Store } from './store/index.js'

export interface RevocationWatchOptions {
  readonly store: Pick<Store, 'revocations' | 'removeRevocations'>
  readonly bus: Pick<Bus, 'isHealthy' | 'onHealth'>
  /** Milliseconds between two looks, */
  readonly interval: number
  /** while the bus carries nothing, so that nobody keeps access for longer than a second, */
  readonly intervalAway: number
  /** and for which a decision is kept: as long as any token lives. */
  readonly keepMs: number
  found(revocation: Revocation): void
  /** What was decided before this time counts no more, in milliseconds since 1970. */
  forgotten(before: number): void
  /** The store could not be read, and could the last time. */
  failed(error: unknown): void
}

/** Longer than a statement may take: what was made before another row may be committed after it. */
const lookbackMs = 10_000
/** Milliseconds between two removals of what counts no more. */
const forgetEveryMs = 3_600_000

/** Reads what was decided about users on other nodes, of which no message told, and before this one was started (I4). */
export class RevocationWatch {
  private readonly options: RevocationWatchOptions
  private since: string | null = null
  private timer: NodeJS.Timeout | null = null
  private running = false
  private failing = false
  private disposed = false
  private forgotAt = 0
  private readonly stopHealth: () => void

  constructor(options: RevocationWatchOptions) {
    this.options = options
    this.stopHealth = options.bus.onHealth(() => this.lookNow())
  }

  /** Reads everything that is kept. @throws {StoreError} */
  async start(): Promise<void> {
    await this.read()
    this.arm()
  }

  dispose(): void {
    this.disposed = true
    this.stopHealth()
    if (this.timer !== null) clearTimeout(this.timer)
  }

  private lookNow(): void {
    if (this.timer === null || this.running) return
    clearTimeout(this.timer)
    void this.look()
  }

  private arm(): void {
    if (this.disposed) return
    const { bus, interval, intervalAway } = this.options
    this.timer = setTimeout(() => void this.look(), bus.isHealthy ? interval : intervalAway)
  }

  private async look(): Promise<void> {
    this.running = true
    try {
      await this.read()
      this.failing = false
    } catch (error) {
      if (!this.failing && !this.disposed) this.options.failed(error)
      this.failing = true
    }
    this.running = false
    this.arm()
  }

  private async read(): Promise<void> {
    const { store, keepMs, found, forgotten } = this.options
    for (let lookback = lookbackMs, more = true; more && !this.disposed; lookback = 0) {
      const page = await store.revocations(this.since, lookback)
      for (const revocation of page.revocations) found(revocation)
      this.since = page.next
      more = page.more
    }
    const now = Date.now()
    if (now - this.forgotAt < forgetEveryMs) return
    this.forgotAt = now
    await store.removeRevocations(now - keepMs)
    forgotten(now - keepMs)
  }
}
