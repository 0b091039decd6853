import { setTimeout as sleep } from 'node:timers/promises'

export interface PaceOptions {
  /** Calls' items per second, on the whole. */
  readonly rate: number
  readonly seconds: number
  /** Sends that many items now. */
  readonly fire: (count: number) => void
}

/** How well a pace was kept. */
export interface Pace {
  /** From the first item to the end of the schedule, in seconds. */
  readonly seconds: number
  /** The longest that items came after their due time, in ms. */
  readonly lateMs: number
}

/**
 * Sends items at a rate that does not follow the server's: what is due is sent, however late the answers are (an open loop).
 * Timers fire about every millisecond; what has become due by then is sent at once.
 */
export const pace = async ({ rate, seconds, fire }: PaceOptions): Promise<Pace> => {
  const total = Math.round(rate * seconds)
  const start = performance.now()
  let sent = 0
  let lateMs = 0
  for (;;) {
    const elapsed = performance.now() - start
    const due = Math.min(total, Math.floor((elapsed / 1000) * rate) + 1)
    if (due > sent) {
      lateMs = Math.max(lateMs, elapsed - (sent / rate) * 1000)
      fire(due - sent)
      sent = due
    }
    if (sent === total) break
    await sleep(1)
  }
  return { seconds: (performance.now() - start) / 1000, lateMs }
}
