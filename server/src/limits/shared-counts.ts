import type { RateLimiterAbstract } from 'rate-limiter-flexible'
import type { ConnectionCounts, Counted } from './connection-counts.js'

/**
 * Tells the other nodes how many connections of a user, tenant or address are here, and hears theirs. Time is cut into periods:
 * in each, a node adds its count to a number in Redis that is that period's, and reads the number of the last one, to which
 * all have added by then. A node that dies is in no number after one period, and nothing has to be taken back.
 */
export class SharedCounts {
  private readonly kinds: Readonly<Record<string, ConnectionCounts>>
  private readonly limiter: RateLimiterAbstract
  private readonly periodMs: number
  private readonly timer: NodeJS.Timeout
  private told = new Map<string, number>()
  private period = 0
  private running = false

  /** @param limiter its numbers live for at least three periods; its points mean nothing */
  constructor(
    kinds: Readonly<Record<string, ConnectionCounts>>,
    limiter: RateLimiterAbstract,
    periodMs: number,
  ) {
    this.kinds = kinds
    this.limiter = limiter
    this.periodMs = periodMs
    this.timer = setInterval(() => void this.exchange(), periodMs / 4)
    this.timer.unref()
  }

  dispose(): void {
    clearInterval(this.timer)
  }

  /** Once in each period, in the second half of it: clocks of nodes differ by less than a half. */
  private async exchange(): Promise<void> {
    const now = Date.now()
    const period = Math.floor(now / this.periodMs)
    if (this.running || period === this.period || now % this.periodMs < this.periodMs / 2) return
    this.running = true
    const before = this.period === period - 1 ? this.told : new Map<string, number>()
    this.period = period
    this.told = new Map()
    const all: Promise<void>[] = []
    for (const [kind, counts] of Object.entries(this.kinds))
      for (const counted of counts.notable()) all.push(this.exchangeOne(kind, counted, period, before))
    await Promise.all(all)
    this.running = false
  }

  private async exchangeOne(
    kind: string,
    counted: Counted,
    period: number,
    before: ReadonlyMap<string, number>,
  ): Promise<void> {
    const name = `${kind}:${counted.key}`
    const { count } = counted
    try {
      // Both at once: neither needs the other's answer.
      const [, last] = await Promise.all([
        this.limiter.penalty(`${name}:${period}`, count),
        this.limiter.get(`${name}:${period - 1}`),
      ])
      this.told.set(name, count)
      counted.others = Math.max(0, (last?.consumedPoints ?? 0) - (before.get(name) ?? 0))
    } catch {
      // Redis is away, of which the bus tells: this node's own count has to do.
      counted.others = 0
    }
  }
}
