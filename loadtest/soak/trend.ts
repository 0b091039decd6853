import { statistic } from '../bench/measure/statistics.js'

/** What a server held at a moment. */
export interface Sample {
  /** Seconds since the beginning. */
  readonly at: number
  /** Resident memory, in bytes. */
  readonly rss: number
  /** What the last full collection left of JavaScript's heap, in bytes. */
  readonly heap: number
  /** Open file descriptors. */
  readonly descriptors: number
  /** Handles of Node's event loop. */
  readonly handles: number
  readonly connections: number
  readonly rooms: number
}

export type Held = Exclude<keyof Sample, 'at'>

/** How a value went from the first third of what counts to the last. */
export interface Trend {
  readonly held: Held
  readonly first: number
  readonly last: number
  /** How much more the last may be. */
  readonly allowed: number
  readonly isFlat: boolean
}

/** The share of the run in which heaps and caches fill: it does not count. */
export const warmUpShare = 0.4

/** What each may grow by: tails that fill up to their compaction, pages that V8 keeps, what is on its way at the moment of a sample. */
const allowances: Readonly<Record<Held, (first: number) => number>> = {
  rss: (first) => Math.max(24e6, first * 0.05),
  heap: (first) => Math.max(8e6, first * 0.1),
  descriptors: () => 4,
  handles: () => 4,
  connections: () => 0,
  rooms: () => 0,
}

/** Memory swings between collections: what stays is its lowest. Of all else the median counts. */
const valueOf = (held: Held, samples: readonly Sample[]): number => {
  const { min, median } = statistic(samples.map((sample) => sample[held]))
  return held === 'rss' || held === 'heap' ? min : median
}

/**
 * Compares the first and the last third of what follows the warm-up.
 * @throws {RangeError} with too few samples to tell
 */
export const trendsOf = (samples: readonly Sample[]): Trend[] => {
  const end = samples.at(-1)?.at ?? 0
  const counted = samples.filter(({ at }) => at >= end * warmUpShare)
  const third = Math.floor(counted.length / 3)
  if (third < 3) throw new RangeError(`${counted.length} samples after the warm-up tell nothing`)
  return (Object.keys(allowances) as Held[]).map((held) => {
    const first = valueOf(held, counted.slice(0, third))
    const last = valueOf(held, counted.slice(-third))
    const allowed = allowances[held](first)
    return { held, first, last, allowed, isFlat: last - first <= allowed }
  })
}
