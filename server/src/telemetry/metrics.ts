/*
 * Prometheus metrics. What is counted per frame is a plain number on the hot path and becomes a metric when it is scraped.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client'
import type { ErrorCode } from '@weft/protocol'
import { limitNames, type LimitName } from '../limits/index.js'
import type { TenantSample } from '../tenants/index.js'
import { FastHistogram } from './histogram.js'
import { registerTenantMetrics } from './tenant-metrics.js'

type Dialect = 'weft' | 'yjs' | 'hocuspocus'

/** What is read when the metrics are scraped. */
export interface MetricSources {
  connections(): Record<Dialect, number>
  rooms(): number
  members(): number
  /** Rooms that are left alone for what they cost. */
  quarantinedRooms(): number
  journal(): { depth: number; bytes: number }
  /** Whether messages to the other nodes arrive. */
  busHealthy(): boolean
  /** Other nodes that are heard on the bus. */
  otherNodes(): number
  tenants(): readonly TenantSample[]
}

/**
 * Resolution of the event-loop monitor, in milliseconds; it reports its own interval with each delay. At 5 ms it took 1 % of a
 * core by itself.
 */
const loopResolutionMs = 20

const latencyBuckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

export class Metrics {
  private readonly registry = new Registry()
  private readonly histograms: FastHistogram[] = []
  updatesReceived = 0
  updateBytesReceived = 0
  bytesReceived = 0
  bytesSent = 0
  relays = 0
  /** Messages between the nodes. */
  readonly bus = { published: 0, publishes: 0, received: 0, dropped: 0, ignored: 0 }
  /** Other nodes that were given up, by what told. */
  readonly nodesGivenUp = { bus: 0, database: 0 }
  /** Times that a limit was reached. */
  readonly limited = Object.fromEntries(limitNames.map((name) => [name, 0])) as Record<LimitName, number>
  /** Events that were read from the log since no other node had told of them. */
  eventsRepaired = 0
  readonly deliveries: Record<Dialect, number> = { weft: 0, yjs: 0, hocuspocus: 0 }
  readonly updatesDelivered: Record<Dialect, number> = { weft: 0, yjs: 0, hocuspocus: 0 }
  readonly relaySeconds: FastHistogram
  readonly ackSeconds: FastHistogram
  readonly batchEntries: FastHistogram
  readonly commitSeconds: FastHistogram
  readonly compactionSeconds: FastHistogram
  readonly sweepSeconds: FastHistogram
  private readonly commitFailures: Counter<'kind'>
  private readonly quarantinedTotal: Counter
  private readonly backpressureTotal: Counter
  private readonly errors: Counter<'code'>
  private readonly loop = monitorEventLoopDelay({ resolution: loopResolutionMs })

  constructor(sources: MetricSources) {
    const registers = [this.registry]
    const histogram = (name: string, help: string, bounds: number[]): FastHistogram => {
      const made = new FastHistogram(name, help, bounds)
      this.histograms.push(made)
      return made
    }
    collectDefaultMetrics({ register: this.registry, prefix: 'weft_' })
    this.relaySeconds = histogram(
      'weft_relay_seconds',
      'From the arrival of an update to its relay',
      latencyBuckets,
    )
    this.ackSeconds = histogram('weft_ack_seconds', 'From the arrival of a change to its ack', latencyBuckets)
    this.commitSeconds = histogram('weft_commit_seconds', 'Round trip of a group commit', latencyBuckets)
    this.compactionSeconds = histogram('weft_compaction_seconds', 'Duration of a compaction', latencyBuckets)
    this.sweepSeconds = histogram(
      'weft_sweep_seconds',
      'Asking the database for the heads of all open rooms',
      latencyBuckets,
    )
    this.batchEntries = histogram(
      'weft_journal_batch_entries',
      'Changes in a group commit',
      [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2000],
    )
    this.commitFailures = new Counter({
      name: 'weft_commit_failures_total',
      help: 'Failed group commits, by kind: transient ones are retried, rejected ones bisected',
      labelNames: ['kind'],
      registers,
    })
    this.quarantinedTotal = new Counter({
      name: 'weft_quarantined_total',
      help: 'Changes that the database refuses for good',
      registers,
    })
    this.backpressureTotal = new Counter({
      name: 'weft_backpressure_total',
      help: 'Times that a client read too slowly and left the live topics',
      registers,
    })
    this.errors = new Counter({
      name: 'weft_errors_total',
      help: 'Errors told to clients, by code',
      labelNames: ['code'],
      registers,
    })
    this.counter('weft_updates_received_total', 'Updates accepted from clients', () => this.updatesReceived)
    this.counter(
      'weft_update_bytes_received_total',
      'Bytes of accepted updates',
      () => this.updateBytesReceived,
    )
    this.counter('weft_received_bytes_total', 'Bytes of messages from clients', () => this.bytesReceived)
    this.counter(
      'weft_published_bytes_total',
      'Bytes of published frames, times receivers',
      () => this.bytesSent,
    )
    this.counter('weft_relays_total', 'Relays: frames of one or more updates of a room', () => this.relays)
    this.counter(
      'weft_log_repairs_total',
      'Events read from the log because no other node told of them in time',
      () => this.eventsRepaired,
    )
    this.labelled(
      'limit',
      'weft_limited_total',
      'Times that a limit was reached and something refused',
      this.limited,
    )
    this.labelled('dialect', 'weft_deliveries_total', 'Published frames, times receivers', this.deliveries)
    this.labelled(
      'dialect',
      'weft_updates_delivered_total',
      'Updates in published frames, times receivers',
      this.updatesDelivered,
    )
    const connections = new Gauge({
      name: 'weft_connections',
      help: 'Open connections',
      labelNames: ['dialect'],
      registers,
      collect: () => {
        for (const [dialect, count] of Object.entries(sources.connections()))
          connections.set({ dialect }, count)
      },
    })
    this.gauge('weft_rooms', 'Open rooms', () => sources.rooms())
    this.gauge('weft_members', 'Sessions in rooms', () => sources.members())
    this.gauge(
      'weft_rooms_quarantined',
      'Rooms left alone for a while: loading or compacting them takes too long, too much memory, or fails',
      () => sources.quarantinedRooms(),
    )
    this.gauge('weft_journal_depth', 'Changes waiting for their commit', () => sources.journal().depth)
    this.gauge(
      'weft_journal_bytes',
      'Bytes of changes waiting for their commit',
      () => sources.journal().bytes,
    )
    this.gauge('weft_bus_healthy', 'Whether messages to the other nodes arrive', () =>
      sources.busHealthy() ? 1 : 0,
    )
    this.gauge('weft_bus_nodes', 'Other nodes that are heard', () => sources.otherNodes())
    this.labelled(
      'by',
      'weft_nodes_given_up_total',
      'Other nodes whose users were shown as gone: silent on the bus, or, while Redis is away, without a renewed row in the database',
      this.nodesGivenUp,
    )
    this.counter('weft_bus_published_total', 'Messages to the other nodes', () => this.bus.published)
    this.counter(
      'weft_bus_publishes_total',
      'Payloads to Redis: all messages of one channel and loop turn in one',
      () => this.bus.publishes,
    )
    this.counter('weft_bus_received_total', 'Messages from other nodes', () => this.bus.received)
    this.counter(
      'weft_bus_dropped_total',
      'Messages to the other nodes given up: Redis is away or too slow',
      () => this.bus.dropped,
    )
    this.counter(
      'weft_bus_ignored_total',
      'Messages on the bus that were not understood: malformed, foreign, or of another release',
      () => this.bus.ignored,
    )
    registerTenantMetrics(this.registry, () => sources.tenants())
    this.loop.enable()
    const delay = new Gauge({
      name: 'weft_event_loop_delay_seconds',
      help: 'Event-loop delay since the last scrape',
      labelNames: ['quantile'],
      registers,
      collect: () => {
        const seconds = (nanoseconds: number): number =>
          Math.max(0, nanoseconds / 1e9 - loopResolutionMs / 1000)
        delay.set({ quantile: '0.5' }, seconds(this.loop.percentile(50)))
        delay.set({ quantile: '0.99' }, seconds(this.loop.percentile(99)))
        delay.set({ quantile: '1' }, seconds(this.loop.max))
        this.loop.reset()
      },
    })
  }

  /** Everything in the Prometheus text format. */
  async render(): Promise<string> {
    return `${await this.registry.metrics()}\n${this.histograms.map((histogram) => histogram.render()).join('\n')}`
  }

  /**
   * Says whose metrics these are, which several processes behind one port leave open.
   * @param process its number among them, from 1
   */
  identify(node: string, process: number): void {
    new Gauge({
      name: 'weft_process_info',
      help: 'Always 1: the labels name the node, as WELCOME does, and its process',
      labelNames: ['node', 'process'],
      registers: [this.registry],
    }).set({ node, process: String(process) }, 1)
  }

  commitFailed(kind: 'transient' | 'rejected'): void {
    this.commitFailures.inc({ kind })
  }

  quarantined(): void {
    this.quarantinedTotal.inc()
  }

  backpressure(): void {
    this.backpressureTotal.inc()
  }

  error(code: ErrorCode): void {
    this.errors.inc({ code })
  }

  close(): void {
    this.loop.disable()
    this.registry.clear()
  }

  private gauge(name: string, help: string, read: () => number): void {
    const gauge: Gauge = new Gauge({
      name,
      help,
      registers: [this.registry],
      collect: () => gauge.set(read()),
    })
  }

  private counter(name: string, help: string, read: () => number): void {
    const counter: Counter = new Counter({
      name,
      help,
      registers: [this.registry],
      collect: () => {
        counter.reset()
        counter.inc(read())
      },
    })
  }

  /** Published frames, times receivers, to all dialects. */
  get totalDeliveries(): number {
    const { weft, yjs, hocuspocus } = this.deliveries
    return weft + yjs + hocuspocus
  }

  private labelled(
    label: string,
    name: string,
    help: string,
    values: Readonly<Record<string, number>>,
  ): void {
    const counter = new Counter({
      name,
      help,
      labelNames: [label],
      registers: [this.registry],
      collect: () => {
        counter.reset()
        for (const [of, value] of Object.entries(values)) counter.inc({ [label]: of }, value)
      },
    })
  }
}
