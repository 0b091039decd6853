/**
 * Which clocks of one writer have arrived. They arrive in order, nearly always; what comes early is kept until the gap
 * before it closes, and what comes again counts once.
 */
export class Coverage {
  /** Everything below has arrived. */
  next: number
  duplicates = 0
  private readonly early: { from: number; to: number }[] = []

  /** @param next the first clock to wait for */
  constructor(next = 0) {
    this.next = next
  }

  /** Takes the clocks `[from, to)` and calls `fresh` for each run of them that is new. @returns how many are new */
  add(from: number, to: number, fresh: (from: number, to: number) => void): number {
    if (from === this.next && this.early.length === 0) {
      this.next = to
      fresh(from, to)
      return to - from
    }
    return this.addSlowly(from, to, fresh)
  }

  private addSlowly(from: number, to: number, fresh: (from: number, to: number) => void): number {
    let count = 0
    let at = Math.max(from, this.next)
    const taken = (start: number, end: number): void => {
      if (end <= start) return
      count += end - start
      fresh(start, end)
    }
    for (const range of this.early) {
      if (range.to <= at) continue
      if (range.from >= to) break
      taken(at, range.from)
      at = Math.max(at, range.to)
    }
    taken(at, to)
    this.duplicates += to - from - count
    if (count > 0) this.merge(from, to)
    return count
  }

  private merge(from: number, to: number): void {
    this.early.push({ from, to })
    this.early.sort((a, b) => a.from - b.from)
    for (let i = 1; i < this.early.length;) {
      const before = this.early[i - 1]!
      const range = this.early[i]!
      if (range.from > before.to) i++
      else {
        before.to = Math.max(before.to, range.to)
        this.early.splice(i, 1)
      }
    }
    while (this.early.length > 0 && this.early[0]!.from <= this.next) {
      this.next = Math.max(this.next, this.early.shift()!.to)
    }
  }
}
