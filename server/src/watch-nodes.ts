import type { Bus } from './bus/index.js'
import { NodeWatch, type WatchedRoom } from './room/index.js'
import type { Logger, Metrics } from './telemetry/index.js'

/** What an operator reads of a node that was given up, by what told. */
const gone = {
  bus: 'another node is silent: it died, hangs, or is cut off; its users are shown as gone',
  database:
    'Redis is away and another node does not renew its row in the database: it died, hangs, or is cut off; its users are shown as gone',
}

/**
 * Watches the other nodes, and tells operators of those that are given up and of those that are back.
 * @param sweepMs see `NodeWatch`
 */
export const watchNodes = (
  bus: Bus,
  rooms: () => Iterable<WatchedRoom>,
  sweepMs: number,
  metrics: Metrics,
  log: Logger,
): NodeWatch =>
  new NodeWatch(
    bus,
    rooms,
    {
      fault: (message, error) => log.error({ err: error }, message),
      gone: (other, by) => {
        metrics.nodesGivenUp[by]++
        log.warn({ other }, gone[by])
      },
      back: (other) => log.info({ other }, 'a node that was silent is heard again'),
    },
    sweepMs,
  )
