/** Buckets per doubling: a percentile is off by less than 1.6 %. */
const subBits = 6
const sub = 1 << subBits
/** Up to 2^36 µs, 19 hours. */
const buckets = (36 - subBits + 1) * sub

/** Counts durations without keeping them. Milliseconds in and out, microseconds inside. */
export class Histogram {
  private readonly counts = new Float64Array(buckets)
  count = 0
  max = 0

  add(ms: number, times = 1): void {
    const us = ms > 0 ? Math.round(ms * 1000) : 0
    this.counts[bucketOf(us)]! += times
    this.count += times
    if (ms > this.max) this.max = ms
  }

  /** The duration that a share `q` (0 to 1) of all stays within, in ms; 0 when there are none. */
  percentile(q: number): number {
    if (this.count === 0) return 0
    let rest = Math.max(1, Math.ceil(this.count * q))
    for (let i = 0; i < buckets; i++) {
      rest -= this.counts[i]!
      if (rest <= 0) return Math.min(upperBound(i) / 1000, this.max)
    }
    return this.max
  }

  reset(): void {
    this.counts.fill(0)
    this.count = 0
    this.max = 0
  }
}

const bucketOf = (us: number): number => {
  if (us < sub) return us
  const shift = 31 - Math.clz32(us) - subBits
  // Beyond 32 bits (over an hour) everything is "very long".
  if (us >= 0x8000_0000) return buckets - 1
  return (shift + 1) * sub + ((us >> shift) - sub)
}

const upperBound = (bucket: number): number => {
  if (bucket < sub) return bucket
  const shift = Math.floor(bucket / sub) - 1
  return ((bucket % sub) + sub + 1) * 2 ** shift - 1
}
