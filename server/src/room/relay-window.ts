/**
 * How long updates of a room are gathered before they are relayed, by load: pure arithmetic.
 *
 * What a delivery costs is the write to the receiver's socket, not its bytes. A quiet room, or a small one, gains nothing
 * from waiting, and its window is 0. Where a room delivers thousands of frames a second, a few milliseconds of gathering
 * save most of them: one frame then carries all updates of the window.
 */

/** The longest window, in milliseconds: below what a person sees, above the distance of updates worth gathering. */
export const maxWindowMs = 16

/**
 * What one receiver adds to the longest window, in milliseconds. With it a room sends 2,500 frames a second at most once its window
 * is open, a hundredth of a core, until the maximum makes it more: where few receive, a longer wait would save nothing worth it.
 */
const windowPerReceiverMs = 0.4

/** Deliveries a second at which the window opens, and at which it is at its longest. */
const deliveriesFrom = 2_000
const deliveriesFull = 10_000

/** Time constant of the rate estimate, in milliseconds. */
const rateTauMs = 250

/** An exponentially decaying estimate of events a second. */
export class RateEstimate {
  private rate = 0
  private last = 0

  /** Counts one event. @param now milliseconds */
  add(now: number): void {
    this.rate = this.at(now) + 1000 / rateTauMs
    this.last = now
  }

  /** Events a second. */
  at(now: number): number {
    return this.rate * Math.exp((this.last - now) / rateTauMs)
  }
}

/**
 * @param rate the room's updates a second
 * @param receivers its subscribers
 * @returns milliseconds, 0 to {@link maxWindowMs}
 */
export const relayWindow = (rate: number, receivers: number): number => {
  const deliveries = rate * receivers
  if (deliveries <= deliveriesFrom) return 0
  const share = Math.min(1, (deliveries - deliveriesFrom) / (deliveriesFull - deliveriesFrom))
  const window = Math.min(maxWindowMs, windowPerReceiverMs * receivers) * share
  // A window in which no second update arrives only delays the first.
  return (rate * window) / 1000 < 0.5 ? 0 : window
}
