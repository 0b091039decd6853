import { RateLimiterMemory, RateLimiterRes, type RateLimiterAbstract } from 'rate-limiter-flexible'

/** The time that MAX_HANDSHAKES_PER_IP is for, in seconds. */
export const handshakeSeconds = 60

/** Addresses that are refused are looked through for those whose time is over when they are so many. */
const manyBlocked = 10_000

/**
 * Handshakes of each address in a minute. The answer never waits: it is what the counts said until now, those of all nodes
 * included, while Redis answers. When it does not, this node's own count goes on.
 */
export class Handshakes {
  private readonly own: RateLimiterAbstract | null
  private readonly shared: RateLimiterAbstract | null
  /** `Date.now()` until which an address is refused. */
  private readonly blocked = new Map<string, number>()
  private pruneAt = manyBlocked

  /**
   * @param limit 0 for none
   * @param shared counts for all nodes
   */
  constructor(limit: number, shared: RateLimiterAbstract | null) {
    this.own = limit === 0 ? null : new RateLimiterMemory({ points: limit, duration: handshakeSeconds })
    this.shared = limit === 0 ? null : shared
  }

  /** Counts a handshake. @returns 0 when it may go on, or the milliseconds until the next one may */
  take(address: string): number {
    if (this.own === null) return 0
    const now = Date.now()
    const until = this.blocked.get(address)
    if (until !== undefined) {
      // Not counted: whoever is refused is let in again when the minute is over, however often it asks.
      if (until > now) return until - now
      this.blocked.delete(address)
    }
    this.count(this.own, address)
    if (this.shared !== null) this.count(this.shared, address)
    return 0
  }

  private count(limiter: RateLimiterAbstract, address: string): void {
    limiter.consume(address).then(
      (result) => {
        if (result.remainingPoints === 0) this.block(address, result)
      },
      // An error is one of Redis, which the bus tells of: this node's own count has to do.
      (rejected: unknown) => {
        if (rejected instanceof RateLimiterRes) this.block(address, rejected)
      },
    )
  }

  private block(address: string, { msBeforeNext }: RateLimiterRes): void {
    const now = Date.now()
    this.blocked.set(address, now + Math.max(1, msBeforeNext))
    if (this.blocked.size <= this.pruneAt) return
    for (const [each, until] of this.blocked) if (until <= now) this.blocked.delete(each)
    this.pruneAt = Math.max(manyBlocked, 2 * this.blocked.size)
  }
}
