/** Bounds of a retry's delay, in milliseconds. */
export interface BackoffOptions {
  readonly initial: number
  readonly max: number
}

/**
 * Full jitter: a uniform delay between 0 and the exponential ceiling of this attempt.
 * Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
 * @param attempt 0 for the first retry
 * @param random uniform in [0, 1)
 */
export const fullJitter = (attempt: number, { initial, max }: BackoffOptions, random: () => number): number =>
  Math.round(random() * Math.min(max, initial * 2 ** Math.min(attempt, 30)))
