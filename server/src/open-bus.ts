import { connectRedisBus, MemoryBus, type Bus } from './bus/index.js'
import type { Config } from './config.js'
import type { Store } from './store/index.js'
import type { Logger, Metrics } from './telemetry/index.js'

/** This node's end of the bus: over Redis, or within this process when there is none. */
export const openBus = async (
  config: Config,
  ca: string | undefined,
  store: Pick<Store, 'clusterId'>,
  node: string,
  metrics: Metrics,
  log: Logger,
): Promise<Bus> => {
  const { redisUrl } = config
  if (redisUrl === undefined) return new MemoryBus().connect(node)
  const counts = metrics.bus
  const bus = await connectRedisBus({
    url: redisUrl,
    ...(ca === undefined ? {} : { ca }),
    // Rooms of two databases have the same numbers: who shares a Redis must not hear the other.
    prefix: `weft:${await store.clusterId()}:`,
    node,
    observer: {
      published: (messages) => (counts.published += messages),
      sent: () => counts.publishes++,
      received: (messages) => (counts.received += messages),
      dropped: (messages) => (counts.dropped += messages),
      ignored: (messages) => (counts.ignored += messages),
      disconnected: (reason) => log.warn({ reason }, 'a connection to Redis failed; it is tried again'),
      fault: (message, error) => log.error({ err: error }, message),
    },
  })
  let awaySince: number | null = null
  bus.onHealth((isHealthy) => {
    if (isHealthy) {
      const away = awaySince === null ? {} : { awayMs: Math.round(performance.now() - awaySince) }
      log.info(away, 'Redis delivers messages between the nodes')
      return
    }
    awaySince = performance.now()
    log.warn('Redis is away: changes of other nodes arrive later, from the database')
  })
  return bus
}
