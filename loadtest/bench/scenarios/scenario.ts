import type { Bench } from '../bench.js'
import { type Row, type Sample, type ScenarioResult, reference, rowOf } from '../report/result.js'

/** One kind of measurement. */
export interface Scenario {
  readonly name: string
  readonly title: string
  run(bench: Bench): Promise<ScenarioResult>
}

/** One measurement of one target. */
export interface Measured {
  readonly sample: Sample
  readonly complaints?: readonly string[]
}

/** A target that is measured beside others. */
export interface Contender {
  readonly name: string
  measure(): Promise<Measured>
}

/**
 * Measures the contenders in turn, so many times over, so that what disturbs the machine disturbs all of them.
 * @param ratioKey the value whose ratio to the reference's is shown
 */
export const alternate = async (
  bench: Bench,
  point: string,
  contenders: readonly Contender[],
  ratioKey?: string,
): Promise<Row[]> => {
  const samples = contenders.map((): Sample[] => [])
  const complaints = contenders.map((): string[] => [])
  for (let repetition = 0; repetition < bench.repetitions; repetition++) {
    for (const [i, contender] of contenders.entries()) {
      bench.log(`${point}, ${contender.name}, ${repetition + 1} of ${bench.repetitions}`)
      const measured = await contender.measure()
      samples[i]!.push(measured.sample)
      complaints[i]!.push(...(measured.complaints ?? []))
    }
  }
  const against = samples[contenders.findIndex(({ name }) => name === reference)]
  return contenders.map(({ name }, i) =>
    rowOf(
      point,
      name,
      samples[i]!,
      complaints[i]!,
      ratioKey !== undefined && against !== undefined && name !== reference
        ? { key: ratioKey, against }
        : undefined,
    ),
  )
}

/** Starts the servers that the run wants, bare first. */
export const startTargets = async (bench: Bench) => {
  const targets = bench.wants('bare') ? [await bench.bare()] : []
  const server = bench.wantsWeft ? await bench.weft() : null
  return [
    ...targets,
    ...(server && bench.wants('weft') ? [server.weft] : []),
    ...(server && bench.wants('weft-yjs') ? [server.yjs] : []),
  ]
}
