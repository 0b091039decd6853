/*
 * How fast one connection may send: a bucket for frames and one for bytes, as levels that leak. Pure, on the hot path: a few
 * comparisons a message, nothing allocated, whole numbers only (V8 boxes others).
 */

/** What the connections of a node share. */
export interface RateLimits {
  /** Thousandths of a frame that leak each millisecond: frames per second. 0 for no limit. */
  readonly framesPerSecond: number
  /** 0 for no limit. */
  readonly bytesPerMs: number
  /** Thousandths of a frame that may come at once. */
  readonly frameBurst: number
  readonly byteBurst: number
  /** Milliseconds after which all has leaked. */
  readonly drainMs: number
}

/** What may come at once, as milliseconds of the average. */
const burstMs = 10_000
const maxLevel = 2 ** 31 - 1

/** @param frameBytes the longest frame: two of them may always come at once, or a large document could not be sent at all */
export const rateLimits = (
  framesPerSecond: number,
  bytesPerSecond: number,
  frameBytes: number,
): RateLimits => {
  const bytesPerMs = Math.ceil(bytesPerSecond / 1000)
  const byteBurst = Math.min(maxLevel, Math.max(bytesPerMs * burstMs, 2 * frameBytes))
  return {
    framesPerSecond,
    bytesPerMs,
    frameBurst: Math.min(maxLevel, framesPerSecond * burstMs),
    byteBurst,
    // Of a burst and a message more.
    drainMs: Math.max(
      2 * burstMs,
      bytesPerMs === 0 ? 0 : Math.ceil((byteBurst + 2 * frameBytes) / bytesPerMs),
    ),
  }
}

/** `warn` comes once on the way to `over`: half of what may come at once has come. */
export type Pace = 'fine' | 'warn' | 'over'

export class MessageRate {
  /** Milliseconds, as a 32-bit number that wraps. */
  private at = 0
  /** Thousandths of frames. */
  private frames = 0
  private bytes = 0
  private warned = false

  /**
   * Counts a message.
   * @param now milliseconds; only differences matter
   * @param frames how many it counts as
   */
  take(limits: RateLimits, now: number, bytes: number, frames = 1): Pace {
    const at = now | 0
    const elapsed = (at - this.at) | 0
    this.at = at
    // Backwards after 25 days without a message: the clock of 32 bits has wrapped. Bounded, or the products below were no integers.
    const leaked = elapsed < 0 || elapsed > limits.drainMs ? limits.drainMs : elapsed
    let over = false
    let high = false
    if (limits.framesPerSecond > 0) {
      const left = this.frames - leaked * limits.framesPerSecond
      const level = (left > 0 ? left : 0) + frames * 1000
      this.frames = level
      over = level > limits.frameBurst
      high = level > limits.frameBurst / 2
    }
    if (limits.bytesPerMs > 0) {
      const left = this.bytes - leaked * limits.bytesPerMs
      const level = left > 0 ? left + bytes : bytes
      this.bytes = level
      over ||= level > limits.byteBurst
      high ||= level > limits.byteBurst / 2
    }
    if (over) return 'over'
    if (!high) this.warned = false
    else if (!this.warned) {
      this.warned = true
      return 'warn'
    }
    return 'fine'
  }

  /** Milliseconds of silence after which half of the burst is free again. */
  restMs(limits: RateLimits): number {
    const frames =
      limits.framesPerSecond > 0 ? (this.frames - limits.frameBurst / 2) / limits.framesPerSecond : 0
    const bytes = limits.bytesPerMs > 0 ? (this.bytes - limits.byteBurst / 2) / limits.bytesPerMs : 0
    return Math.ceil(Math.max(0, frames, bytes))
  }
}
