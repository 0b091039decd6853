/**
 * Full jitter: a delay drawn evenly from 0 to the exponential bound. It spreads a crowd of clients best, and the first
 * retry needs it most: that is when they have all lost the same server in the same moment.
 * Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
 * @param attempt 0 for the first retry
 * @param random from 0 to below 1
 * @returns milliseconds
 */
export const fullJitter = (attempt: number, base: number, max: number, random: () => number): number =>
  Math.floor(random() * Math.min(max, base * 2 ** Math.min(attempt, 30)))
