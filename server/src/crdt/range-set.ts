import type { Range } from './inspect.js'

interface Span {
  from: number
  to: number
}

/** A set of (client, clock) as merged ranges. Filled first, asked afterwards. */
export class RangeSet {
  private readonly clients = new Map<number, Span[]>()
  private sorted = true

  add(ranges: readonly Range[]): void {
    for (const { client, clock, len } of ranges) {
      const spans = this.clients.get(client)
      if (spans === undefined) this.clients.set(client, [{ from: clock, to: clock + len }])
      else spans.push({ from: clock, to: clock + len })
    }
    this.sorted = false
  }

  /** Those of `ranges` that the set does not contain as a whole. */
  missing(ranges: readonly Range[]): Range[] {
    this.sort()
    return ranges.filter((range) => !this.contains(range))
  }

  private contains({ client, clock, len }: Range): boolean {
    const spans = this.clients.get(client)
    if (spans === undefined) return false
    let low = 0
    let high = spans.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((spans[middle]?.to ?? 0) > clock) high = middle
      else low = middle + 1
    }
    const span = spans[low]
    return span !== undefined && span.from <= clock && clock + len <= span.to
  }

  private sort(): void {
    if (this.sorted) return
    this.sorted = true
    for (const [client, spans] of this.clients) {
      spans.sort((a, b) => a.from - b.from)
      const merged: Span[] = []
      for (const span of spans) {
        const last = merged.at(-1)
        if (last !== undefined && span.from <= last.to) last.to = Math.max(last.to, span.to)
        else merged.push({ ...span })
      }
      this.clients.set(client, merged)
    }
  }
}
