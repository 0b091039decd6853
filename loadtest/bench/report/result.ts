import { type Statistic, statistic } from '../measure/statistics.js'

/** A measured value that tables show. */
export interface Column {
  /** Its key in {@link Row.values}. */
  readonly key: string
  readonly label: string
  readonly digits: number
}

/** One target at one point of a scenario. */
export interface Row {
  readonly point: string
  readonly target: string
  readonly values: Readonly<Record<string, Statistic>>
  /** What went wrong, if anything: refusals, closed connections. */
  readonly complaints: readonly string[]
}

/** A figure to reach. */
export interface Goal {
  readonly text: string
  readonly limit: number
  readonly measured: number
  readonly met: boolean
}

/** What a scenario found. */
export interface ScenarioResult {
  readonly scenario: string
  readonly title: string
  readonly columns: readonly Column[]
  readonly rows: readonly Row[]
  readonly goals: readonly Goal[]
  readonly notes: readonly string[]
}

/** One repetition's values; a value that is missing there is left out. */
export type Sample = Readonly<Record<string, number | null>>

/** The target that others are compared with. */
export const reference = 'bare'

/**
 * Gathers the repetitions of one target at one point.
 * @param against the reference's samples: the ratio of `ratioKey` is taken repetition by repetition, as both ran side by side
 */
export const rowOf = (
  point: string,
  target: string,
  samples: readonly Sample[],
  complaints: readonly string[],
  ratio?: { readonly key: string; readonly against: readonly Sample[] },
): Row => {
  const values: Record<string, Statistic> = {}
  for (const key of new Set(samples.flatMap((sample) => Object.keys(sample)))) {
    const found = samples.map((sample) => sample[key]).filter((value) => typeof value === 'number')
    if (found.length > 0) values[key] = statistic(found)
  }
  if (ratio) {
    const ratios = samples.map(
      (sample, i) => Number(sample[ratio.key]) / Number(ratio.against[i]?.[ratio.key]),
    )
    if (ratios.length > 0 && ratios.every(Number.isFinite)) values['ratio'] = statistic(ratios)
  }
  return { point, target, values, complaints: [...new Set(complaints)] }
}

/** A goal of at most `limit`, held against a row's median. @returns null when the row has no such value */
export const atMost = (text: string, limit: number, row: Row | undefined, key: string): Goal | null => {
  const measured = row?.values[key]?.median
  return measured === undefined ? null : { text, limit, measured, met: measured <= limit }
}

/** A goal of at least `limit`, held against a row's median. @returns null when the row has no such value */
export const atLeast = (text: string, limit: number, row: Row | undefined, key: string): Goal | null => {
  const measured = row?.values[key]?.median
  return measured === undefined ? null : { text, limit, measured, met: measured >= limit }
}
