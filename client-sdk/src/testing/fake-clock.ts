import type { Clock } from '../clock.js'

/** A clock that goes when it is told to. */
export class FakeClock implements Clock {
  private time = 1_000_000
  private readonly timers = new Set<{ readonly at: number; readonly action: () => void }>()

  now(): number {
    return this.time
  }

  /** It began on the first of January 2030. */
  date(): number {
    return Date.UTC(2030, 0, 1) - 1_000_000 + this.time
  }

  after(ms: number, action: () => void): () => void {
    const timer = { at: this.time + ms, action }
    this.timers.add(timer)
    return () => void this.timers.delete(timer)
  }

  /** How many timers run. */
  get running(): number {
    return this.timers.size
  }

  /** Lets time pass, and fires what falls due, in order. */
  advance(ms: number): void {
    const end = this.time + ms
    for (;;) {
      const due = [...this.timers].filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0]
      if (due === undefined) break
      this.timers.delete(due)
      this.time = Math.max(this.time, due.at)
      due.action()
    }
    this.time = end
  }
}
