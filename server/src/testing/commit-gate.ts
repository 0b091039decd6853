/** Holds the commits of a `FaultyStore` (its `pause`): each passes twice, before it reaches the database and before its answer. */
export class CommitGate {
  private permits = Infinity
  private readonly waiting: (() => void)[] = []

  /** Commits that stand before the gate now. */
  get held(): number {
    return this.waiting.length
  }

  readonly pass = async (): Promise<void> => {
    if (this.permits > 0) {
      this.permits--
      return
    }
    await new Promise<void>((resolve) => this.waiting.push(resolve))
  }

  shut(): void {
    this.permits = 0
  }

  /** Lets the commit that waits before the gate happen, and its answer come; the next one waits again. */
  letOneThrough(): void {
    this.permits = 1
    this.waiting.shift()?.()
  }

  open(): void {
    this.permits = Infinity
    for (const pass of this.waiting.splice(0)) pass()
  }
}
