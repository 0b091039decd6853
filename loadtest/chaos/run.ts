import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { until } from '@weft/server/testing'
import { addressOf, socketFrom } from './addresses.js'
import { Cluster } from './cluster.js'
import { converge } from './converge.js'
import { faults, type Fault, type FaultName } from './faults.js'
import type { ChaosOptions } from './options.js'
import { randomOf } from './random.js'
import { inWords, type Band, type ChaosRecord } from './record.js'
import { StockTypist } from './stock-typist.js'
import { Timeline, type Span } from './timeline.js'
import { Crew } from './typists.js'
import { formatVerdict, holds, judge } from './verdict.js'

/** Milliseconds of undisturbed typing before the first fault. */
const warmUp = 3_000
/** Milliseconds without a fault after all that was typed in the last one is acknowledged. */
const calm = 2_000
/** Milliseconds that acknowledgements may take once everything runs again. A half-open connection is noticed after 20 s. */
const recoveryLimit = 60_000

export type RunResult = Omit<ChaosRecord, 'environment'> & { readonly holds: boolean }

/**
 * Runs the faults one after the other while people type, and judges what is left.
 * @param log takes the lines of the timeline
 * @param interrupt ends the faults early; the verdict follows all the same
 */
export const runChaos = async (
  options: ChaosOptions,
  log: (line: string) => void,
  interrupt: AbortSignal,
): Promise<RunResult> => {
  const cluster = await Cluster.start(options.nodes)
  try {
    const run = new Run(options, cluster, log, interrupt)
    try {
      return await run.play()
    } finally {
      run.close()
    }
  } finally {
    await cluster.stop()
  }
}

class Run {
  private readonly options: ChaosOptions
  private readonly cluster: Cluster
  private readonly log: (line: string) => void
  private readonly interrupt: AbortSignal
  private readonly random: () => number
  private readonly timeline: Timeline
  private readonly crew: Crew
  private readonly stock: readonly StockTypist[]
  private readonly loopDelay = monitorEventLoopDelay({ resolution: 10 })
  private readonly outages: Omit<Band, 'span'>[] = []
  private readonly complaints: string[] = []
  private began = performance.now()

  constructor(options: ChaosOptions, cluster: Cluster, log: (line: string) => void, interrupt: AbortSignal) {
    this.options = options
    this.cluster = cluster
    this.log = log
    this.interrupt = interrupt
    this.random = randomOf(options.seed)
    const { balancer } = cluster
    const addresses = new Map<string, string>()
    const socketOf = (name: string) => {
      const address = addressOf(addresses.size)
      addresses.set(name, address)
      return socketFrom(address)
    }
    this.timeline = new Timeline(
      () => this.now,
      (client) => balancer.backendOf(addresses.get(client) ?? ''),
    )
    const typing = randomOf(options.seed + 1)
    const rooms = Array.from({ length: options.rooms }, (_, i) => `room ${i}`)
    this.crew = new Crew(balancer.url, rooms, typing, options.pace, this.timeline)
    for (let i = 0; i < options.typists; i++) this.crew.add(1, { WebSocket: socketOf(`t${i}`) })
    this.stock = rooms.map((room, i) => {
      const name = `stock ${i}`
      return new StockTypist(name, balancer.url, room, typing, {
        WebSocket: socketOf(name),
        watch: this.timeline,
      })
    })
  }

  /** Milliseconds since the start of the timeline. */
  private get now(): number {
    return performance.now() - this.began
  }

  async play(): Promise<RunResult> {
    const { crew, stock, timeline, options, interrupt } = this
    const arrived = (): boolean =>
      crew.typists.every(({ rooms }) => rooms.every(({ status }) => status === 'live')) &&
      stock.every(({ isSynced }) => isSynced)
    await until(arrived, 'everybody is in every room', 30_000)
    this.loopDelay.enable()
    this.began = performance.now()
    await this.startTyping()
    this.say(`${options.typists} SDK and ${stock.length} stock clients type in ${options.rooms} rooms`)
    await this.pause(warmUp)
    const calmSpan = timeline.span(0, this.now)
    this.say(`nothing has failed yet: ${describeAcks(calmSpan)}; ${describeDeliveries(calmSpan)}`)
    for (const name of this.order()) {
      await this.hit(name)
      if (interrupt.aborted) break
    }
    this.loopDelay.disable()
    const judged = await this.judge()
    // By now what was typed in a fault has arrived everywhere.
    const bands = this.outages.map((outage) => ({
      ...outage,
      span: timeline.span(outage.from * 1000, outage.to * 1000),
    }))
    return { ...judged, bands, points: timeline.points(), options, interrupted: interrupt.aborted }
  }

  close(): void {
    this.loopDelay.disable()
    this.crew.close()
    for (const typist of this.stock) typist.close()
  }

  /** One after the other: typed in step, edits would come in bursts. */
  private async startTyping(): Promise<void> {
    const { crew, stock, options } = this
    const starts = [
      ...crew.typists.map((typist) => () => typist.start()),
      ...stock.map((typist) => () => typist.start(options.pace)),
    ]
    for (const start of starts) {
      start()
      await this.pause(options.pace / starts.length)
    }
  }

  /** The faults to come: every one once a round, each round in an order of its own. */
  private *order(): Generator<FaultName> {
    const { duration, rounds, faults: names } = this.options
    const isOver = (round: number): boolean =>
      duration === null ? round >= rounds : this.now >= duration * 1000
    for (let round = 0; !isOver(round); round++) {
      const left = [...names]
      while (left.length > 0) {
        if (duration !== null && isOver(round)) return
        yield left.splice(Math.floor(this.random() * left.length), 1)[0]!
      }
    }
  }

  private async hit(name: FaultName): Promise<void> {
    const { cluster, options, random, timeline, interrupt } = this
    const fault: Fault = faults[name]
    const index = Math.floor(random() * cluster.nodes.length)
    const title = fault.hitsOneNode ? `${fault.title} (${index + 1})` : fault.title
    const from = this.now
    this.say(`${title}: begins`)
    try {
      await fault.run({
        cluster,
        node: cluster.nodes[index]!,
        random,
        during: (share) => this.pause(share * options.outage),
      })
    } catch (thrown) {
      // Ctrl-C reaches the servers too: what a fault does to one that is ending says nothing.
      if (interrupt.aborted) return
      this.complaints.push(`${title}: ${messageOf(thrown)}`)
      await cluster.restore()
    }
    const to = this.now
    this.say(`${title}: ends; ${describeAcks(timeline.span(from, to))}`)
    await until(
      () => interrupt.aborted || !timeline.isWaitingSince(to),
      'what was typed is saved',
      recoveryLimit,
    ).catch(() =>
      this.complaints.push(`${title}: what was typed was not saved within ${recoveryLimit} ms after it`),
    )
    const savedAfter = this.now - to
    await until(
      () => interrupt.aborted || cluster.balancer.hanging === 0,
      'nobody hangs',
      recoveryLimit,
    ).catch(() =>
      this.complaints.push(`${title}: half-open connections were not noticed within ${recoveryLimit} ms`),
    )
    if (!interrupt.aborted)
      this.say(
        `${title}: all typed until then is saved, ${inWords(savedAfter)} after its end; ` +
          describeDeliveries(timeline.span(from, to)),
      )
    this.outages.push({ name, title, from: from / 1000, to: to / 1000, savedAfter })
    await this.pause(calm)
  }

  /** Ends early when the run is interrupted. */
  private async pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.interrupt }).catch(() => undefined)
  }

  private async judge(): Promise<
    Pick<RunResult, 'verdict' | 'holds' | 'findings' | 'complaints' | 'clientLoopDelay'>
  > {
    const { crew, stock, cluster, complaints, loopDelay } = this
    crew.stop()
    for (const typist of stock) typist.stop()
    if (this.interrupt.aborted) {
      this.say('interrupted: everything is killed and started again, and then judged')
      await cluster.kill()
      await cluster.restore()
    } else this.say('everybody has stopped typing, and what is there is compared')
    try {
      const { wrong } = await converge(crew, stock)
      complaints.push(...wrong)
    } catch (thrown) {
      complaints.push(messageOf(thrown))
    }
    const verdict = judge(await crew.logs())
    return {
      verdict: formatVerdict(verdict),
      holds: holds(verdict) && complaints.length === 0,
      findings: verdict.findings,
      complaints,
      clientLoopDelay: { p99: loopDelay.percentile(99) / 1e6, max: loopDelay.max / 1e6 },
    }
  }

  private say(line: string): void {
    this.log(`${(this.now / 1000).toFixed(1).padStart(7)} s  ${line}`)
  }
}

const messageOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown))

const describeAcks = ({ acksPerSecond, longestAckWait }: Span): string =>
  `${Math.round(acksPerSecond)} acks/s, longest wait for one ${inWords(longestAckWait)}`

const describeDeliveries = ({ deliveryP50, deliveryMax }: Span): string =>
  `deliveries to other nodes p50 ${inWords(deliveryP50)}, longest ${inWords(deliveryMax)}`
