import type { Histogram } from '../measure/histogram.js'
import { visitDecoded } from '../wire/update-decode.js'
import { type RangeVisitor, UpdateScanner } from '../wire/update-scan.js'
import { Coverage } from './coverage.js'
import type { Tally } from './tally.js'
import type { Typist } from './typist.js'

const scanner = new UpdateScanner(visitDecoded)

/** A writer whose updates are to arrive. */
interface Expected {
  readonly typist: Typist
  readonly coverage: Coverage
  readonly latency: Histogram
}

/** Counts what one member receives from the writers of its room. */
export class Receiver implements RangeVisitor {
  private readonly tally: Tally
  private readonly writers = new Map<number, Expected>()
  private now = 0
  private from: Expected | null = null
  private readonly fresh = (from: number, to: number): void => {
    const { typist, latency } = this.from!
    for (let clock = from; clock < to; clock++) latency.add(this.now - typist.sentTime(clock))
  }

  constructor(tally: Tally) {
    this.tally = tally
  }

  /** From now on, what this typist types is to arrive here. @param isAcross from another node */
  expect(typist: Typist, isAcross: boolean): void {
    const latency = isAcross ? this.tally.crossLatency : this.tally.latency
    this.writers.set(typist.client, { typist, latency, coverage: new Coverage(typist.clock) })
  }

  /** An update arrived, at `now`. */
  update(bytes: Uint8Array, start: number, end: number, now: number): void {
    this.now = now
    scanner.scan(bytes, start, end, this)
  }

  /** Clocks of writers that are not expected (the member's own echo) do not count. */
  range(client: number, clock: number, length: number): void {
    const writer = this.writers.get(client)
    if (writer === undefined) return
    this.from = writer
    const { duplicates } = writer.coverage
    this.tally.delivered += writer.coverage.add(clock, clock + length, this.fresh)
    this.tally.duplicates += writer.coverage.duplicates - duplicates
  }
}
