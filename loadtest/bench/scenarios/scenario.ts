import type { Bench } from '../bench.js'
import { Fleet, type FleetOptions } from '../load/fleet.js'
import { isPeer } from '../servers/peers.js'
import type { Target } from '../servers/target.js'
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
  const failed = new Set<Contender>()
  for (let repetition = 0; repetition < bench.repetitions; repetition++) {
    for (const [i, contender] of contenders.entries()) {
      const repetitions = bench.repetitionsOf(contender.name)
      if (repetition >= repetitions || failed.has(contender)) continue
      bench.log(`${point}, ${contender.name}, ${repetition + 1} of ${repetitions}`)
      try {
        const measured = await contender.measure()
        samples[i]!.push(measured.sample)
        complaints[i]!.push(...(measured.complaints ?? []))
      } catch (error) {
        // A server of others that cannot take this is told of in its row; the rest goes on.
        if (!isPeer(contender.name)) throw error
        failed.add(contender)
        complaints[i]!.push(`failed: ${messageOf(error)}`)
      }
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

const messageOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split('\n')[0]!

/** Clients of one server. */
export interface Crowd {
  readonly target: Target
  fleet: Fleet
}

/**
 * Connects the same clients to each server.
 * @param point the point of the row that tells of a server of others that could not take them
 * @param warmUp what is done with them before they are measured
 */
export const connectAll = async (
  targets: readonly Target[],
  options: FleetOptions,
  point: string,
  warmUp: (fleet: Fleet, target: Target) => Promise<unknown>,
): Promise<{ crowds: Crowd[]; failed: Row[] }> => {
  const crowds: Crowd[] = []
  const failed: Row[] = []
  for (const target of targets) {
    try {
      const fleet = await Fleet.connect(target, options)
      await warmUp(fleet, target)
      crowds.push({ target, fleet })
    } catch (error) {
      if (!isPeer(target.name)) throw error
      failed.push(rowOf(point, target.name, [], [`failed: ${messageOf(error)}`]))
    }
  }
  return { crowds, failed }
}

/** Starts the servers that the run wants, bare first, those of others last. */
export const startTargets = async (bench: Bench): Promise<Target[]> => {
  const targets = bench.wants('bare') ? [await bench.bare()] : []
  const others = await bench.startPeers()
  const server = bench.wantsWeft ? await bench.weft() : null
  return [
    ...targets,
    ...(server && bench.wants('weft') ? [server.weft] : []),
    ...(server && bench.wants('weft-yjs') ? [server.yjs] : []),
    ...others,
  ]
}
