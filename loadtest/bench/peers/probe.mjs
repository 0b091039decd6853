/*
 * Loaded into a peer before its own code (`node --import`): answers `/metrics` on PROBE_PORT with the event loop's longest
 * delay since it was last asked. Its timer runs from the first question on: where nobody asks, it costs nothing.
 */
import { createServer } from 'node:http'
import { monitorEventLoopDelay } from 'node:perf_hooks'

/** Of the timer, in ms: part of every delay that it records. */
const resolution = 5
const delay = monitorEventLoopDelay({ resolution })
const seconds = (nanoseconds) => Math.max(0, nanoseconds / 1e9 - resolution / 1000)

createServer((_request, response) => {
  const quantiles = { 0.5: delay.percentile(50), 0.99: delay.percentile(99), 1: delay.max }
  delay.reset()
  delay.enable()
  const lines = Object.entries(quantiles).map(
    ([quantile, value]) => `weft_event_loop_delay_seconds{quantile="${quantile}"} ${seconds(value)}`,
  )
  response.end(`${lines.join('\n')}\n`)
})
  .listen(Number(process.env.PROBE_PORT), '127.0.0.1')
  .unref()
