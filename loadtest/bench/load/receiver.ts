import { type RangeVisitor, UpdateScanner } from '../wire/update-scan.js'
import { Coverage } from './coverage.js'
import type { Tally } from './tally.js'
import type { Typist } from './typist.js'

const scanner = new UpdateScanner()

/** Counts what one member receives from the writers of its room. */
export class Receiver implements RangeVisitor {
  private readonly tally: Tally
  private readonly writers = new Map<number, { typist: Typist; coverage: Coverage }>()
  private now = 0
  private typist: Typist | null = null
  private readonly fresh = (from: number, to: number): void => {
    for (let clock = from; clock < to; clock++)
      this.tally.latency.add(this.now - this.typist!.sentTime(clock))
  }

  constructor(tally: Tally) {
    this.tally = tally
  }

  /** From now on, what this typist types is to arrive here. */
  expect(typist: Typist): void {
    this.writers.set(typist.client, { typist, coverage: new Coverage(typist.clock) })
  }

  /** An update arrived, at `now`. */
  update(bytes: Buffer, start: number, end: number, now: number): void {
    this.now = now
    scanner.scan(bytes, start, end, this)
  }

  /** Clocks of writers that are not expected (the member's own echo) do not count. */
  range(client: number, clock: number, length: number): void {
    const writer = this.writers.get(client)
    if (writer === undefined) return
    this.typist = writer.typist
    const { duplicates } = writer.coverage
    this.tally.delivered += writer.coverage.add(clock, clock + length, this.fresh)
    this.tally.duplicates += writer.coverage.duplicates - duplicates
  }
}
