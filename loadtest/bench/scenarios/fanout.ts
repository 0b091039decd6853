import type { Bench } from '../bench.js'
import { type Goal, type Row, atLeast, atMost } from '../report/result.js'
import { isPeer } from '../servers/peers.js'
import { loadColumns, measureLoad, most } from './load-sample.js'
import { type Scenario, alternate, connectAll, startTargets } from './scenario.js'

const rates = [20_000, 80_000]
const readerCounts = [50, 200, 500]
const mainReaders = 200
/** Of the CPU per delivery to the bare relay's, by rate. */
const ratioLimits: Readonly<Record<number, number>> = { 20_000: 1.15, 80_000: 0.8 }
const p99LimitMs = 100
/** Deliveries per second, and updates at most: as much as the servers of others can take. */
const warmUpDeliveries = 100_000
const warmUpRate = 1000
/** At the rates below a server's code is compiled while it is measured, for half a minute: this is over sooner. Once for each. */
const warmUpSeconds = 8
const warmAgainSeconds = 2
/** Deliveries per second at which the search for the most starts, and where it gives up. */
const searchFrom = 400_000
const searchTo = 12_800_000
/** Whose most is looked for: that takes long. */
const searchedFor: ReadonlySet<string> = new Set(['bare', 'weft', 'weft-yjs', 'hocuspocus'])

/** One writer, many readers. */
export const fanout: Scenario = {
  name: 'fanout',
  title: 'one room, one writer, many readers',
  async run(bench: Bench) {
    const targets = await startTargets(bench)
    const rows: Row[] = []
    const warm = new Set<string>()
    for (const readers of bench.quick ? [mainReaders] : readerCounts) {
      const options = { rooms: 1, membersPerRoom: readers + 1, writersPerRoom: 1 }
      // Those of others at one number of readers alone: all would take too long.
      const taking = targets.filter(({ name }) => readers === mainReaders || !isPeer(name))
      const warmUp = Math.min(warmUpRate, warmUpDeliveries / readers)
      const { crowds, failed } = await connectAll(
        taking,
        options,
        `${readers} readers`,
        (fleet, { name }) => {
          const isWarm = warm.has(name) || bench.quick
          warm.add(name)
          return fleet.load(warmUp, isWarm ? warmAgainSeconds : warmUpSeconds)
        },
      )
      rows.push(...failed)
      for (const rate of rates) {
        const contenders = crowds.map((crowd) => ({
          name: crowd.target.name,
          measure: async () => {
            if (crowd.fleet.isBroken) crowd.fleet = await crowd.fleet.renew()
            return measureLoad(crowd.fleet, crowd.target, rate / readers, bench.quick ? 1.5 : 2, 'delivery')
          },
        }))
        rows.push(...(await alternate(bench, pointOf(readers, rate), contenders, 'cpuPerDelivery')))
      }
      const searched = crowds.filter(({ target }) => searchedFor.has(target.name))
      for (const { target, fleet } of readers === mainReaders ? searched : []) {
        rows.push(
          await most(bench, fleet, target, {
            point: mostPoint,
            from: searchFrom / (isPeer(target.name) ? 8 : 1),
            to: searchTo,
            updatesPerStep: 1 / readers,
            seconds: bench.quick ? 1 : 1.5,
            per: 'delivery',
            p99LimitMs,
          }),
        )
      }
      for (const { fleet } of crowds) fleet.close()
    }
    return {
      scenario: fanout.name,
      title: fanout.title,
      columns: loadColumns,
      rows,
      goals: goals(rows),
      notes: [],
    }
  },
}

const pointOf = (readers: number, rate: number): string => `${readers} readers, ${rate}/s`
const mostPoint = `most, ${mainReaders} readers`

const goals = (rows: readonly Row[]): Goal[] => {
  const row = (point: string, target = 'weft'): Row | undefined =>
    rows.find((candidate) => candidate.target === target && candidate.point === point)
  const peerMost = row(mostPoint, 'hocuspocus')?.values['deliveries']?.median
  return [
    ...readerCounts.flatMap((readers) =>
      rates.flatMap((rate) => {
        const point = pointOf(readers, rate)
        return [
          atMost(`CPU per delivery, ${point}, ratio to bare`, ratioLimits[rate]!, row(point), 'ratio'),
          atMost(`p99 ms, ${point}`, 25, row(point), 'p99'),
        ]
      }),
    ),
    peerMost === undefined
      ? null
      : atLeast('most deliveries/s, against those of Hocuspocus', peerMost, row(mostPoint), 'deliveries'),
  ].filter((goal) => goal !== null)
}
