/** What several repetitions of one measurement gave. */
export interface Statistic {
  readonly median: number
  readonly min: number
  readonly max: number
  readonly samples: readonly number[]
}

/** @throws {RangeError} without samples */
export const statistic = (samples: readonly number[]): Statistic => {
  if (samples.length === 0) throw new RangeError('no samples')
  const sorted = [...samples].sort((a, b) => a - b)
  const middle = (sorted.length - 1) / 2
  const median = (sorted[Math.floor(middle)]! + sorted[Math.ceil(middle)]!) / 2
  return { median, min: sorted[0]!, max: sorted[sorted.length - 1]!, samples: [...samples] }
}

/** The value that a share `q` (0 to 1) of the samples stays within; 0 without samples. */
export const percentile = (samples: readonly number[], q: number): number => {
  const sorted = [...samples].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(sorted.length * q) - 1))] ?? 0
}
