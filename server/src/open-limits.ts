import { connectRedis } from './bus/index.js'
import type { Config } from './config.js'
import type { GatewayLimits } from './gateway/index.js'
import { Admission, LoopDelay, loopTickMs, rateLimits, SharedLimits, type LimitName } from './limits/index.js'
import type { Store } from './store/index.js'
import type { Metrics } from './telemetry/index.js'

/** What watches the limits of this node, and those that it shares with others. */
export interface Limits {
  readonly admission: Admission
  /** The event loop has more to do than it can. */
  readonly isLate: boolean
  readonly reached: (limit: LimitName) => void
  close(): void
}

export const openLimits = async (
  config: Config,
  redisCa: string | undefined,
  store: Pick<Store, 'clusterId'>,
  metrics: Metrics,
): Promise<Limits> => {
  const { redisUrl } = config
  const reached = (limit: LimitName): void => {
    metrics.limited[limit]++
  }
  // As for the bus: who shares a Redis may have another database.
  const shared =
    redisUrl === undefined
      ? null
      : new SharedLimits(connectRedis(redisUrl, redisCa), `weft:${await store.clusterId()}:limits:`)
  const loopDelay = new LoopDelay(config.maxLoopDelayMs)
  const ticker = setInterval(() => loopDelay.tick(performance.now()), loopTickMs)
  return {
    admission: new Admission(config, shared, reached),
    get isLate() {
      return loopDelay.isLate
    },
    reached,
    close: () => {
      clearInterval(ticker)
      shared?.close()
    },
  }
}

/** @param isAsked whether there is an authorization hook */
export const limitsOf = (config: Config, isAsked: boolean): GatewayLimits => ({
  frameBytes: config.maxFrameBytes,
  updateBytes: config.maxUpdateBytes,
  eventBytes: config.maxEventBytes,
  presenceBytes: config.maxPresenceBytes,
  roomsPerConnection: config.maxRoomsPerConnection,
  helloMs: config.helloTimeoutMs,
  heartbeatMs: config.heartbeatMs,
  slowMs: config.slowTimeoutMs,
  reviewMs: isAsked ? config.authorizeReviewMs : 0,
  presenceEntries: 10_000,
  rate: rateLimits(config.maxFramesPerSecond, config.maxBytesPerSecond, config.maxFrameBytes),
})
