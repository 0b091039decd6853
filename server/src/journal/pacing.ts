/**
 * How far apart the commits of a node start, by its load: pure arithmetic.
 *
 * A commit costs the same for one change as for a hundred, a millisecond of CPU and the same again in the database. Where the
 * sockets of a node carry thousands of frames a second, that millisecond is better spent on them, and nobody who waits for an
 * ack sees the difference.
 */

/** How much longer the interval is under full load. */
const stretch = 6

/** Frames a second, in and out, from which the interval grows, and at which it is at its longest. */
const framesFrom = 4_000
const framesFull = 12_000

/** Milliseconds over which the load is averaged. */
const windowMs = 250

export class CommitPacing {
  private readonly base: number
  private readonly frames: () => number
  private readonly now: () => number
  private counted: number
  private countedAt: number
  private rate = 0

  /**
   * @param base milliseconds between two commits of a node with little load
   * @param frames how many frames have been received and delivered so far
   */
  constructor(base: number, frames: () => number, now: () => number = () => performance.now()) {
    this.base = base
    this.frames = frames
    this.now = now
    this.counted = frames()
    this.countedAt = now()
  }

  /** Milliseconds from the start of one commit to that of the next. */
  interval(): number {
    const now = this.now()
    const elapsed = now - this.countedAt
    if (elapsed >= windowMs) {
      const frames = this.frames()
      this.rate = ((frames - this.counted) * 1000) / elapsed
      this.counted = frames
      this.countedAt = now
    }
    const share = Math.min(1, Math.max(0, (this.rate - framesFrom) / (framesFull - framesFrom)))
    return this.base * (1 + (stretch - 1) * share)
  }
}
