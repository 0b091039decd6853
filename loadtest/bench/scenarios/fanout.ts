import type { Bench } from '../bench.js'
import { Fleet } from '../load/fleet.js'
import { type Goal, type Row, atMost } from '../report/result.js'
import type { Target } from '../servers/target.js'
import { loadColumns, measureLoad, most } from './load-sample.js'
import { type Scenario, alternate, startTargets } from './scenario.js'

const rates = [20_000, 80_000]
const p99LimitMs = 100
/** Updates per second. */
const warmUpRate = 1000
const warmUpSeconds = 2
/** Deliveries per second at which the search for the most starts, and where it gives up. */
const searchFrom = 400_000
const searchTo = 12_800_000

/** One writer, many readers. */
export const fanout: Scenario = {
  name: 'fanout',
  title: 'one room, one writer, many readers',
  async run(bench: Bench) {
    const targets = await startTargets(bench)
    const rows: Row[] = []
    for (const readers of bench.quick ? [200] : [50, 200, 500]) {
      const fleets = new Map<Target, Fleet>()
      for (const target of targets) {
        const options = { rooms: 1, membersPerRoom: readers + 1, writersPerRoom: 1 }
        const fleet = await Fleet.connect(target, options)
        fleets.set(target, fleet)
        // At the rates below, a server's code is compiled while it is measured, for a minute: this is over sooner.
        await fleet.load(warmUpRate, warmUpSeconds)
      }
      for (const rate of rates) {
        const contenders = [...fleets].map(([target, fleet]) => ({
          name: target.name,
          measure: () => measureLoad(fleet, target, rate / readers, bench.quick ? 1.5 : 2, 'delivery'),
        }))
        rows.push(...(await alternate(bench, `${readers} readers, ${rate}/s`, contenders, 'cpuPerDelivery')))
      }
      for (const [target, fleet] of readers === 200 ? fleets : []) {
        const found = await most(bench, fleet, target, {
          point: `most, ${readers} readers`,
          from: searchFrom,
          to: searchTo,
          updatesPerStep: 1 / readers,
          seconds: bench.quick ? 1 : 1.5,
          per: 'delivery',
          p99LimitMs,
        })
        fleets.set(target, found.fleet)
        rows.push(found.row)
      }
      for (const fleet of fleets.values()) fleet.close()
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

const goals = (rows: readonly Row[]): Goal[] => {
  const row = (point: string): Row | undefined =>
    rows.find((candidate) => candidate.target === 'weft' && candidate.point === point)
  return [
    atMost(
      'CPU per delivery, 200 readers, 20,000/s, ratio to bare',
      1.15,
      row('200 readers, 20000/s'),
      'ratio',
    ),
    atMost('p99 ms, 200 readers, 20,000/s', 25, row('200 readers, 20000/s'), 'p99'),
    atMost(
      'CPU per delivery, 200 readers, 80,000/s, ratio to bare',
      0.8,
      row('200 readers, 80000/s'),
      'ratio',
    ),
    atMost('p99 ms, 200 readers, 80,000/s', 25, row('200 readers, 80000/s'), 'p99'),
  ].filter((goal) => goal !== null)
}
