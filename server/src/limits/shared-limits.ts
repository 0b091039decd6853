/* Limits that hold for all nodes together, counted in Redis. */
import type { Cluster, Redis } from 'ioredis'
import { RateLimiterRedis, type RateLimiterAbstract } from 'rate-limiter-flexible'
import type { ConnectionCounts } from './connection-counts.js'
import { handshakeSeconds } from './handshakes.js'
import { SharedCounts } from './shared-counts.js'

/** Milliseconds after which a node knows of another's connections, at most twice that. */
const periodMs = 5_000

export class SharedLimits {
  private readonly redis: Redis | Cluster
  private readonly prefix: string
  private readonly period: number
  private counts: SharedCounts | null = null

  /** @param redis closed with this; answers late or never count as none */
  constructor(redis: Redis | Cluster, prefix: string, period = periodMs) {
    this.redis = redis
    this.prefix = prefix
    this.period = period
  }

  handshakes(limit: number): RateLimiterAbstract {
    return this.limiter('handshakes', limit, handshakeSeconds)
  }

  /** @param kinds by a short name */
  share(kinds: Readonly<Record<string, ConnectionCounts>>): void {
    const seconds = Math.ceil((4 * this.period) / 1000)
    this.counts = new SharedCounts(kinds, this.limiter('connections', 1, seconds), this.period)
  }

  close(): void {
    this.counts?.dispose()
    this.redis.disconnect()
  }

  private limiter(name: string, points: number, duration: number): RateLimiterAbstract {
    return new RateLimiterRedis({
      storeClient: this.redis,
      keyPrefix: `${this.prefix}${name}`,
      points,
      duration,
      rejectIfRedisNotReady: true,
    })
  }
}
