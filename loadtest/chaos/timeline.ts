/* When what was typed arrived and was acknowledged, over the time of a run. */
import { quantile } from './away.js'
import type { Watch } from './watch.js'

/** Milliseconds that one point of the plot stands for. */
export const bucketMs = 250

/** Of the edits typed in one bucket. Latencies in milliseconds, null when none has arrived. */
export interface Point {
  /** Seconds since the start, of the bucket's middle. */
  readonly at: number
  /** Arrivals at clients of other nodes. */
  readonly deliveries: number
  readonly p50: number | null
  readonly p99: number | null
  readonly max: number | null
  /** Acknowledgements that came within the bucket, per second. */
  readonly acksPerSecond: number
}

/** What happened between two moments. Latencies in milliseconds. */
export interface Span {
  readonly acksPerSecond: number
  /** The longest that an edit or event of then waited for its acknowledgement, those that still wait included. */
  readonly longestAckWait: number
  /** From typing to a client of another node, of what was typed in the span. */
  readonly deliveryP50: number
  readonly deliveryP99: number
  readonly deliveryMax: number
}

interface Typed {
  readonly at: number
  readonly node: number
}

interface Bucket {
  acks: number
  readonly latencies: number[]
}

/** Only deliveries between clients of different nodes count. */
export class Timeline implements Watch {
  private readonly clock: () => number
  private readonly nodeOf: (client: string) => number | null
  private readonly typedAt = new Map<string, Typed>()
  private readonly waiting = new Map<string, number>()
  private readonly acks: { readonly at: number; readonly wait: number }[] = []
  private readonly buckets: Bucket[] = []

  /**
   * @param clock milliseconds since the start
   * @param nodeOf the node that a client is connected to, null when it is not
   */
  constructor(clock: () => number, nodeOf: (client: string) => number | null) {
    this.clock = clock
    this.nodeOf = nodeOf
  }

  /** An author without a connection counts as one of another node than everybody's: what it types has to cross. */
  typed(author: string, token: string): void {
    this.typedAt.set(token, { at: this.clock(), node: this.nodeOf(author) ?? -1 })
  }

  seen(client: string, token: string): void {
    const typed = this.typedAt.get(token)
    const node = this.nodeOf(client)
    if (!typed || node === null || node === typed.node) return
    this.bucket(typed.at).latencies.push(this.clock() - typed.at)
  }

  asked(what: string): void {
    this.waiting.set(what, this.clock())
  }

  acked(what: string): void {
    const since = this.waiting.get(what)
    if (since === undefined) return
    this.waiting.delete(what)
    const at = this.clock()
    this.acks.push({ at, wait: at - since })
    this.bucket(at).acks++
  }

  /** Whether something asked before a moment still waits for its acknowledgement. */
  isWaitingSince(moment: number): boolean {
    for (const since of this.waiting.values()) if (since < moment) return true
    return false
  }

  span(from: number, to: number): Span {
    let acks = 0
    let longestAckWait = 0
    for (const { at, wait } of this.acks) {
      if (at >= from && at < to) acks++
      if (at >= from && at - wait < to) longestAckWait = Math.max(longestAckWait, wait)
    }
    const now = this.clock()
    for (const since of this.waiting.values()) {
      if (since < to) longestAckWait = Math.max(longestAckWait, now - since)
    }
    const latencies = this.buckets
      .slice(Math.floor(from / bucketMs), Math.ceil(to / bucketMs))
      .flatMap((bucket) => bucket.latencies)
    return {
      acksPerSecond: acks / ((to - from) / 1000),
      longestAckWait,
      deliveryP50: quantile(latencies, 0.5),
      deliveryP99: quantile(latencies, 0.99),
      deliveryMax: quantile(latencies, 1),
    }
  }

  points(): Point[] {
    return Array.from(this.buckets, (bucket, i) => {
      const latencies = bucket.latencies
      const share = (of: number): number | null => (latencies.length === 0 ? null : quantile(latencies, of))
      return {
        at: ((i + 0.5) * bucketMs) / 1000,
        deliveries: latencies.length,
        p50: share(0.5),
        p99: share(0.99),
        max: share(1),
        acksPerSecond: (bucket.acks * 1000) / bucketMs,
      }
    })
  }

  private bucket(moment: number): Bucket {
    const i = Math.floor(moment / bucketMs)
    while (this.buckets.length <= i) this.buckets.push({ acks: 0, latencies: [] })
    return this.buckets[i]!
  }
}
