import type { Seq } from '../ids.js'

/** Seqs that the log has and this node lacks: `after < seq <= upTo`. */
export interface Hole {
  readonly after: Seq
  readonly upTo: Seq
}

export interface LogRepairOptions {
  /** Milliseconds before a hole is read: the commit that fills it is often just behind. */
  readonly grace: number
  /** The first hole, or null. */
  hole(): Hole | null
  /** Reads the hole, or a part of it, from the log. */
  fill(hole: Hole): Promise<void>
  fault(error: unknown): void
}

/** A hole that cannot be read (the database is away) is tried again after the grace, doubled up to this. */
const maxDelayMs = 1_000

/** Reads what is missing from the log, one hole after the other, and again until it is there. */
export class LogRepair {
  private readonly options: LogRepairOptions
  private timer: NodeJS.Timeout | null = null
  private reading = false
  private failures = 0
  private disposed = false

  constructor(options: LogRepairOptions) {
    this.options = options
  }

  /** There may be a hole now. */
  check(): void {
    if (this.disposed || this.reading || this.timer !== null || this.options.hole() === null) return
    const delay = Math.min(this.options.grace * 2 ** this.failures, maxDelayMs)
    // A turn later: in a busy node what fills the hole may wait in a socket already, and timers come before sockets.
    this.timer = setTimeout(() => setImmediate(() => void this.run()), delay)
  }

  dispose(): void {
    this.disposed = true
    if (this.timer !== null) clearTimeout(this.timer)
    this.timer = null
  }

  private async run(): Promise<void> {
    this.timer = null
    if (this.disposed) return
    this.reading = true
    try {
      const hole = this.options.hole()
      if (hole !== null) await this.options.fill(hole)
      // What brings nothing is asked for less and less often as well.
      this.failures = hole !== null && this.options.hole()?.after === hole.after ? this.failures + 1 : 0
    } catch (error) {
      this.failures++
      this.options.fault(error)
    }
    this.reading = false
    this.check()
  }
}
