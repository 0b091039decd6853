/** Time as the SDK sees it: passed in, so that tests decide when it passes. */
export interface Clock {
  /** Milliseconds, from any origin, never going back. */
  now(): number
  /** Milliseconds since 1970, as the device believes: it may be wrong, and may jump. */
  date(): number
  /**
   * Calls `action` once after `ms` milliseconds.
   * @returns cancels the call; harmless after it
   */
  after(ms: number, action: () => void): () => void
}

/** The longest delay that setTimeout keeps: a longer one fires at once. */
const maxTimeout = 2 ** 31 - 1

/** The clock of the platform. Its timers keep a Node process alive: a bot stays while it is connected. */
export const systemClock: Clock = {
  now: () => performance.now(),
  date: () => Date.now(),
  after: (ms, action) => {
    const timer = setTimeout(action, Math.min(ms, maxTimeout))
    return () => clearTimeout(timer)
  },
}
