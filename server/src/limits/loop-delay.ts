/* Whether the event loop has more to do than it can: it then runs late, and everybody waits. Pure. */

/** Milliseconds between two looks. */
export const loopTickMs = 100

export class LoopDelay {
  private readonly maxMs: number
  private expected: number | null = null
  /** Of the lateness, in milliseconds. */
  private average = 0

  constructor(maxMs: number) {
    this.maxMs = maxMs
  }

  /** Called every `loopTickMs`, as well as that goes. @param now milliseconds */
  tick(now: number): void {
    const late = this.expected === null ? 0 : Math.max(0, now - this.expected)
    this.expected = now + loopTickMs
    // One long stall (a garbage collection, a process that was stopped) is over when it is seen: it never counts as overload.
    const weight = Math.min(0.5, (late + loopTickMs) / 1_000)
    this.average += (Math.min(late, 1.5 * this.maxMs) - this.average) * weight
  }

  get isLate(): boolean {
    return this.average > this.maxMs
  }
}
