import { fullJitter } from './backoff.js'
import type { Clock } from './clock.js'

/** One timer, which is started and stopped. */
export interface Timer {
  readonly running: boolean
  /** Calls `action` after `ms` milliseconds, instead of what was started before. */
  start(ms: number, action: () => void): void
  stop(): void
}

export const createTimer = (clock: Clock): Timer => {
  let cancel: (() => void) | undefined
  const stop = (): void => {
    cancel?.()
    cancel = undefined
  }
  return {
    get running() {
      return !!cancel
    },
    start: (ms, action) => {
      stop()
      cancel = clock.after(ms, () => {
        cancel = undefined
        action()
      })
    },
    stop,
  }
}

/** Bounds of the delay before what was refused in a room is tried again, in milliseconds. */
const retryBase = 500
const retryMax = 15_000

/** The delay before the next attempt in a room. @param failures so far, from 0 */
export const retryDelay = (failures: number, random: () => number): number =>
  fullJitter(failures, retryBase, retryMax, random)
