/**
 * A histogram for hot paths. prom-client's `observe` costs microseconds (it hashes labels and looks buckets up by their
 * number's text); this one costs a few comparisons, and writes the same text when it is scraped.
 */
export class FastHistogram {
  private readonly name: string
  private readonly help: string
  private readonly bounds: readonly number[]
  private readonly counts: Float64Array
  private sum = 0

  /** @param bounds upper bounds of the buckets, ascending; one for everything above is added */
  constructor(name: string, help: string, bounds: readonly number[]) {
    this.name = name
    this.help = help
    this.bounds = bounds
    this.counts = new Float64Array(bounds.length + 1)
  }

  observe(value: number): void {
    const { bounds, counts } = this
    let index = 0
    while (index < bounds.length && value > (bounds[index] ?? 0)) index++
    counts[index] = (counts[index] ?? 0) + 1
    this.sum += value
  }

  /** In the Prometheus text format. */
  render(): string {
    const lines = [`# HELP ${this.name} ${this.help}`, `# TYPE ${this.name} histogram`]
    let count = 0
    for (const [index, bound] of this.bounds.entries()) {
      count += this.counts[index] ?? 0
      lines.push(`${this.name}_bucket{le="${bound}"} ${count}`)
    }
    count += this.counts[this.bounds.length] ?? 0
    lines.push(
      `${this.name}_bucket{le="+Inf"} ${count}`,
      `${this.name}_sum ${this.sum}`,
      `${this.name}_count ${count}`,
    )
    return `${lines.join('\n')}\n`
  }
}
