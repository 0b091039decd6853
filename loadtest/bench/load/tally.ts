import { Histogram } from '../measure/histogram.js'

/** What the clients of one fleet count together, from one window to the next. */
export class Tally {
  /** Updates that the writers sent. */
  sent = 0
  /** Deliveries that these must lead to: one for each other member of the writer's room. */
  expected = 0
  /** Updates that arrived, each once per receiver. */
  delivered = 0
  /** Messages that brought them. */
  frames = 0
  duplicates = 0
  /** Messages that brought presence. */
  presenceFrames = 0
  /** Presence states in them. */
  presences = 0
  /** Updates that writers had acknowledged (Weft protocol). */
  acked = 0
  nacked = 0
  /** Of {@link Member.send}. */
  sentAcked = 0
  /** Connections that the server ended. */
  lostConnections = 0
  /** Of deliveries by the node that took the update: all of them, where there is one node. */
  readonly latency = new Histogram()
  /** Of deliveries by another node. */
  readonly crossLatency = new Histogram()
  readonly ackLatency = new Histogram()
  /** Why the server refused or ended something: the first few, for the report. */
  readonly complaints: string[] = []

  complain(text: string): void {
    if (this.complaints.length < 5) this.complaints.push(text)
  }

  reset(): void {
    this.sent =
      this.expected =
      this.delivered =
      this.frames =
      this.presenceFrames =
      this.presences =
      this.duplicates =
      this.acked =
      this.nacked =
        0
    this.latency.reset()
    this.crossLatency.reset()
    this.ackLatency.reset()
  }
}
