import { Coverage } from '../../bench/load/coverage.js'
import { type RangeVisitor, UpdateScanner } from '../../bench/wire/update-scan.js'
import { stampAge, stampLength } from './stamp.js'

/** Whoever types into the room: the number of updates made so far is what must have arrived in the end. */
export interface Publisher {
  readonly client: number
  readonly count: number
}

/** Where counts go. */
export interface ReceiptCounts {
  deliveries: number
  duplicates: number
  /** Told how long an update was under way, in ms. */
  latency(ms: number): void
}

const scanner = new UpdateScanner(() => {
  throw new Error('the room holds content that no load test writes')
})

/** What one member has received from the publishers of its room. */
export class Receipts implements RangeVisitor {
  private readonly counts: ReceiptCounts
  private readonly from = new Map<number, { publisher: Publisher; coverage: Coverage; clocks: number }>()
  private bytes: Uint8Array = new Uint8Array(0)
  private now = 0
  private isLive = false
  private textStart = 0
  private textClock = 0

  constructor(counts: ReceiptCounts) {
    this.counts = counts
  }

  /** Everything that this publisher makes is to arrive here. */
  expect(publisher: Publisher): void {
    this.from.set(publisher.client, { publisher, coverage: new Coverage(), clocks: 0 })
  }

  /**
   * Takes the update in `bytes[start..end)`.
   * @param isLive whether it came as an update of its own: what a sync brings may well be known, and says nothing of latency
   */
  take(bytes: Uint8Array, start: number, end: number, now: number, isLive: boolean): void {
    if (this.from.size === 0) return
    this.bytes = bytes
    this.now = now
    this.isLive = isLive
    scanner.scan(bytes, start, end, this)
  }

  text(client: number, clock: number, from: number, to: number): void {
    const known = this.from.get(client)
    if (known === undefined) return
    this.textStart = from
    this.textClock = clock
    const length = to - from
    const fresh = known.coverage.add(clock, clock + length, this.fresh)
    known.clocks += fresh
    if (this.isLive) this.counts.duplicates += (length - fresh) / stampLength
  }

  /** Nothing but text is typed: {@link text} has seen it. */
  range(): void {}

  private readonly fresh = (from: number, to: number): void => {
    this.counts.deliveries += (to - from) / stampLength
    if (!this.isLive) return
    for (let clock = from; clock < to; clock += stampLength)
      this.counts.latency(stampAge(this.bytes, this.textStart + clock - this.textClock, this.now))
  }

  /** Updates that were made and are not here. */
  missing(): number {
    let missing = 0
    for (const { publisher, clocks } of this.from.values()) missing += publisher.count - clocks / stampLength
    return missing
  }

  /** The clocks up to which everything is here, by client. */
  clocks(): [client: number, clock: number][] {
    return [...this.from].map(([client, { coverage }]) => [client, coverage.next])
  }
}
