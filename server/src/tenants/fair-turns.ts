import type { Share, SharedLimit } from './fair-shares.js'

interface Waiting {
  /** `performance.now()`. */
  readonly since: number
  /** @param granted whether it has its place; false when it has waited too long */
  readonly end: (granted: boolean) => void
}

interface Line {
  readonly share: Share
  readonly waiting: Set<Waiting>
}

/**
 * Places that are given in turns: those who wait stand in a line for each tenant, and the next place goes to the next line. A
 * thousand of one tenant cost another the place before its own, not a thousand. Nor has one tenant all places: who has one may
 * keep it for a minute.
 */
export class FairTurns {
  private readonly concurrent: number
  private readonly limit: SharedLimit
  /** The line whose turn is next comes first. */
  private readonly lines = new Map<string, Line>()
  private readonly maxWaitMs: number
  private running = 0
  /** By tenant. */
  private readonly places = new Map<string, number>()
  private expiry: NodeJS.Timeout | null = null

  /**
   * @param concurrent places
   * @param waiting how many may wait for one, all tenants together
   * @param maxWaitMs milliseconds that one may wait; default: however long it takes
   */
  constructor(concurrent: number, waiting: SharedLimit, maxWaitMs = Infinity) {
    this.concurrent = concurrent
    this.limit = waiting
    this.maxWaitMs = maxWaitMs
  }

  /** Those who wait. */
  get waiting(): number {
    return this.limit.used
  }

  /**
   * Waits for a place, which is given back with `end`.
   * @param signal ends the wait
   * @returns whether there is one: false when too many wait, when it would take or has taken too long, or the wait was ended
   */
  async begin(tenant: string, signal?: AbortSignal): Promise<boolean> {
    if (this.mayRun(tenant)) {
      this.running++
      this.take(tenant)
      return true
    }
    const line = this.lines.get(tenant) ?? { share: this.limit.share(tenant), waiting: new Set<Waiting>() }
    const now = performance.now()
    const [first] = line.waiting
    // Who comes now would wait longer still than the first of the line has.
    if (!line.share.fits(1) || (first !== undefined && now - first.since > this.maxWaitMs / 2)) return false
    this.lines.set(tenant, line)
    return await new Promise<boolean>((resolve) => {
      const giveUp = (): void => {
        this.leave(tenant, line, waiting)
        resolve(false)
      }
      const waiting = {
        since: now,
        end: (granted: boolean) => {
          signal?.removeEventListener('abort', giveUp)
          resolve(granted)
        },
      }
      line.waiting.add(waiting)
      line.share.add(1)
      signal?.addEventListener('abort', giveUp, { once: true })
      this.expire()
    })
  }

  /** Gives a place of a tenant back. It goes to the next one directly: nobody who comes meanwhile overtakes. */
  end(of: string): void {
    this.running--
    const left = (this.places.get(of) ?? 0) - 1
    if (left > 0) this.places.set(of, left)
    else this.places.delete(of)
    for (const [tenant, line] of this.lines) {
      if (!this.mayRun(tenant)) continue
      for (const next of line.waiting) {
        this.leave(tenant, line, next)
        // To the end of the lines.
        if (this.lines.delete(tenant)) this.lines.set(tenant, line)
        this.running++
        this.take(tenant)
        next.end(true)
        return
      }
    }
  }

  private take(tenant: string): void {
    this.places.set(tenant, (this.places.get(tenant) ?? 0) + 1)
  }

  /** One place at least is left to the others, where there are several. */
  private mayRun(tenant: string): boolean {
    if (this.running >= this.concurrent) return false
    if (this.concurrent === 1 || !this.limit.shares.caps(tenant)) return true
    const most = Math.max(1, Math.floor((this.concurrent * this.limit.shares.percent) / 100))
    return (this.places.get(tenant) ?? 0) < most
  }

  /** Refuses those that have waited too long. */
  private expire(): void {
    if (this.expiry !== null || this.maxWaitMs === Infinity) return
    let oldest = Infinity
    for (const { waiting } of this.lines.values())
      for (const { since } of waiting) {
        oldest = Math.min(oldest, since)
        break
      }
    if (oldest === Infinity) return
    const due = (): void => {
      this.expiry = null
      const now = performance.now()
      for (const [tenant, line] of this.lines)
        for (const waiting of line.waiting) {
          if (now - waiting.since < this.maxWaitMs) break
          this.leave(tenant, line, waiting)
          waiting.end(false)
        }
      this.expire()
    }
    this.expiry = setTimeout(due, Math.max(0, oldest + this.maxWaitMs - performance.now()))
    this.expiry.unref()
  }

  private leave(tenant: string, line: Line, waiting: Waiting): void {
    if (!line.waiting.delete(waiting)) return
    line.share.add(-1)
    if (line.waiting.size === 0) this.lines.delete(tenant)
  }
}
