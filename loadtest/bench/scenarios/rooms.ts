import type { Bench } from '../bench.js'
import { Fleet } from '../load/fleet.js'
import { type Goal, type Row, atLeast, atMost } from '../report/result.js'
import type { Target } from '../servers/target.js'
import { loadColumns, measureLoad, most } from './load-sample.js'
import { type Scenario, alternate, startTargets } from './scenario.js'

const roomCount = 1000
const updatesPerSecond = 4000
const p99LimitMs = 100
const warmUpSeconds = 4
const searchFrom = 8000
const searchTo = 128_000

/** Many rooms of two people who both type. */
export const rooms: Scenario = {
  name: 'rooms',
  title: '1,000 rooms of two, both typing',
  async run(bench: Bench) {
    const targets = await startTargets(bench)
    const fleets = new Map<Target, Fleet>()
    for (const target of targets) {
      bench.log(`connecting ${roomCount * 2} clients to ${target.name}`)
      const fleet = await Fleet.connect(target, { rooms: roomCount, membersPerRoom: 2, writersPerRoom: 2 })
      fleets.set(target, fleet)
      // The first update of a room costs more than the others, and compiling the server's code more than running it.
      await fleet.load(updatesPerSecond, warmUpSeconds)
    }
    const contenders = [...fleets].map(([target, fleet]) => ({
      name: target.name,
      measure: () => measureLoad(fleet, target, updatesPerSecond, bench.quick ? 2 : 4, 'update'),
    }))
    const rows = await alternate(bench, `${updatesPerSecond} updates/s`, contenders, 'cpuPerUpdate')
    for (const [target, fleet] of fleets) {
      const found = await most(bench, fleet, target, {
        point: 'most',
        from: searchFrom,
        to: searchTo,
        updatesPerStep: 1,
        seconds: bench.quick ? 1.5 : 2.5,
        per: 'update',
        p99LimitMs,
      })
      fleets.set(target, found.fleet)
      rows.push(found.row)
    }
    for (const fleet of fleets.values()) fleet.close()
    return {
      scenario: rooms.name,
      title: rooms.title,
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
    atMost('CPU per update at 4,000/s, ratio to bare', 2, row(`${updatesPerSecond} updates/s`), 'ratio'),
    atLeast('durable updates/s with p99 < 100 ms', 30_000, row('most'), 'durable'),
  ].filter((goal) => goal !== null)
}
