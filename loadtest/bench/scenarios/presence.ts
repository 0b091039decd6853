import type { Bench } from '../bench.js'
import type { Fleet } from '../load/fleet.js'
import { loopDelay } from '../measure/metrics.js'
import { measure } from '../measure/window.js'
import { type Column, type Goal, type Row, atMost } from '../report/result.js'
import { isPeer } from '../servers/peers.js'
import type { Target } from '../servers/target.js'
import { type Measured, type Scenario, alternate, connectAll, startTargets } from './scenario.js'

/** Presence updates of each client, per second. */
const ownRate = 10
/** Keystrokes per second of the one who types in the room. */
const typingRate = 20

const columns: readonly Column[] = [
  { key: 'cpu', label: 'CPU, % of a core', digits: 1 },
  { key: 'ratio', label: 'ratio to bare', digits: 2 },
  { key: 'loopP99', label: 'loop delay p99 ms', digits: 1 },
  { key: 'loopMax', label: 'loop delay max ms', digits: 0 },
  { key: 'frames', label: 'presence frames/s, each', digits: 1 },
  { key: 'states', label: 'presence states/s, each', digits: 0 },
  { key: 'calmP50', label: 'edit p50 ms, calm', digits: 1 },
  { key: 'p50', label: 'edit p50 ms, storm', digits: 1 },
  { key: 'calmP99', label: 'edit p99 ms, calm', digits: 1 },
  { key: 'p99', label: 'edit p99 ms, storm', digits: 1 },
  { key: 'slower', label: 'edit p50, storm/calm', digits: 2 },
  { key: 'rss', label: 'RSS MB', digits: 0 },
  { key: 'generator', label: 'generator %', digits: 0 },
  { key: 'others', label: 'others %', digits: 0 },
  { key: 'lost', label: 'edits lost', digits: 0 },
]

/** In the smaller room everybody takes part; in the larger one those that relay each presence by itself would drown. */
const few = 100
const many = 500
const pointOf = (clients: number): string => `${clients} clients, ${ownRate}/s each`

/** Everybody in one room moves a cursor, and one types. */
export const presence: Scenario = {
  name: 'presence',
  title: 'one room, everybody moves a cursor, one types',
  async run(bench: Bench) {
    const targets = await startTargets(bench)
    const rows: Row[] = []
    for (const clients of [few, many]) {
      const taking = targets.filter(({ name }) => clients === few || (name !== 'bare' && !isPeer(name)))
      const options = { rooms: 1, membersPerRoom: clients, writersPerRoom: 1 }
      const { crowds, failed } = await connectAll(taking, options, pointOf(clients), async (fleet) => {
        await Promise.all([fleet.load(typingRate, 2), fleet.show(clients * ownRate, 2)])
      })
      rows.push(...failed)
      const seconds = bench.quick ? 2 : 4
      const contenders = crowds.map(({ target, fleet }) => ({
        name: target.name,
        measure: () => storm(fleet, target, clients, seconds),
      }))
      rows.push(...(await alternate(bench, pointOf(clients), contenders, 'cpu')))
      for (const { fleet } of crowds) fleet.close()
    }
    return {
      scenario: presence.name,
      title: presence.title,
      columns,
      rows,
      goals: goals(rows),
      notes: [
        `${typingRate} keystrokes/s by one client; the ratio of p50s is of the same clients, calm and in the storm`,
      ],
    }
  },
}

const storm = async (fleet: Fleet, target: Target, clients: number, seconds: number): Promise<Measured> => {
  const calm = await fleet.load(typingRate, seconds)
  // Since it was last asked: what was before must not count.
  await loopDelay(target.metricsPort)
  const start = performance.now()
  const { result: found, cost } = await measure(target, async () => {
    const [typed] = await Promise.all([
      fleet.load(typingRate, seconds),
      fleet.show(clients * ownRate, seconds),
    ])
    return { typed, elapsedMs: performance.now() - start, loop: await loopDelay(target.metricsPort) }
  })
  const { typed: result, elapsedMs, loop } = found
  const { tally } = fleet
  const each = (count: number): number => (count / clients / elapsedMs) * 1000
  // Its timer is off here.
  const delay = target.name === 'bare' ? null : loop
  return {
    complaints: tally.complaints,
    sample: {
      cpu: (cost.serverCpuMs / elapsedMs) * 100,
      loopP99: delay?.p99 ?? null,
      loopMax: delay?.max ?? null,
      frames: each(tally.presenceFrames),
      states: each(tally.presences),
      calmP50: calm.p50,
      calmP99: calm.p99,
      p50: result.p50,
      p99: result.p99,
      slower: result.p50 / calm.p50,
      rss: cost.rss / 1e6,
      generator: cost.generatorShare * 100,
      others: cost.othersShare * 100,
      lost: result.lost,
    },
  }
}

const goals = (rows: readonly Row[]): Goal[] =>
  (['weft', 'weft-yjs'] as const)
    .flatMap((target) => {
      const row = rows.find((candidate) => candidate.target === target && candidate.point === pointOf(many))
      return [
        atMost(`${target}: CPU, % of a core`, 50, row, 'cpu'),
        atMost(`${target}: event-loop delay p99, ms`, 20, row, 'loopP99'),
        atMost(`${target}: p50 of edits, storm against calm`, 2, row, 'slower'),
      ]
    })
    .filter((goal) => goal !== null)
