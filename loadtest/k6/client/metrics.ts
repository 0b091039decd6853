import { Counter, Trend } from 'k6/metrics'
import type { ReceiptCounts } from '../pure/receipts.js'

/** The metrics of all scripts: the README says what they mean. */
export const metrics = {
  updateLatency: new Trend('weft_update_latency', true),
  ackLatency: new Trend('weft_ack_latency', true),
  syncTime: new Trend('weft_sync_time', true),
  resyncTime: new Trend('weft_resync_time', true),
  presenceLatency: new Trend('weft_presence_latency', true),
  syncBytes: new Trend('weft_sync_bytes'),
  /** How late the load machine itself was. */
  paceLate: new Trend('weft_pace_late', true),
  sent: new Counter('weft_sent'),
  deliveries: new Counter('weft_deliveries'),
  duplicates: new Counter('weft_duplicates'),
  presences: new Counter('weft_presences'),
  syncs: new Counter('weft_syncs'),
  lost: new Counter('weft_lost'),
  unacked: new Counter('weft_unacked'),
  unsynced: new Counter('weft_unsynced'),
  refused: new Counter('weft_refused'),
  closes: new Counter('weft_closes'),
  reconnects: new Counter('weft_reconnects'),
}

/** What comes by the thousand is counted here, and handed to k6 now and then: each sample costs k6 some microseconds. */
export class Counts implements ReceiptCounts {
  deliveries = 0
  duplicates = 0
  sent = 0
  presences = 0
  /** Latencies, and those of them beyond the limit, since they were last set to 0. */
  timed = 0
  late = 0
  private readonly limitMs: number
  private readonly every: number
  private skipped = 0

  /**
   * @param every of so many latencies one is recorded
   * @param limitMs a delivery that takes longer is late
   */
  constructor(every: number, limitMs: number) {
    this.every = every
    this.limitMs = limitMs
    this.flush()
  }

  latency(ms: number): void {
    this.timed++
    if (ms > this.limitMs) this.late++
    if (++this.skipped < this.every) return
    this.skipped = 0
    metrics.updateLatency.add(ms)
  }

  /** Also what is zero: a threshold on a metric without a sample would not be checked. */
  flush(): void {
    metrics.deliveries.add(this.deliveries)
    metrics.duplicates.add(this.duplicates)
    metrics.sent.add(this.sent)
    metrics.presences.add(this.presences)
    this.deliveries = this.duplicates = this.sent = this.presences = 0
  }
}
