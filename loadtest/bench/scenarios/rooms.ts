import type { Bench } from '../bench.js'
import { type Goal, type Row, atLeast, atMost } from '../report/result.js'
import { isPeer } from '../servers/peers.js'
import { loadColumns, measureLoad, most } from './load-sample.js'
import { type Scenario, alternate, connectAll, startTargets } from './scenario.js'

const roomCount = 1000
const updatesPerSecond = 4000
const p99LimitMs = 100
const warmUpSeconds = 4
const searchFrom = 8000
const ratePoint = `${updatesPerSecond} updates/s`
const searchTo = 128_000

/** Many rooms of two people who both type. */
export const rooms: Scenario = {
  name: 'rooms',
  title: '1,000 rooms of two, both typing',
  async run(bench: Bench) {
    const targets = await startTargets(bench)
    const options = { rooms: roomCount, membersPerRoom: 2, writersPerRoom: 2 }
    // The first update of a room costs more than the others, and compiling the server's code more than running it.
    const { crowds, failed } = await connectAll(targets, options, ratePoint, (fleet) =>
      fleet.load(updatesPerSecond, warmUpSeconds),
    )
    const contenders = crowds.map(({ target, fleet }) => ({
      name: target.name,
      measure: () => measureLoad(fleet, target, updatesPerSecond, bench.quick ? 2 : 4, 'update'),
    }))
    const rows = [...failed, ...(await alternate(bench, ratePoint, contenders, 'cpuPerUpdate'))]
    for (const { target, fleet } of crowds) {
      rows.push(
        await most(bench, fleet, target, {
          point: 'most',
          from: searchFrom / (isPeer(target.name) ? 2 : 1),
          to: searchTo,
          updatesPerStep: 1,
          seconds: bench.quick ? 1.5 : 2.5,
          per: 'update',
          p99LimitMs,
        }),
      )
    }
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
    atMost('CPU per update at 4,000/s, ratio to bare', 2, row(ratePoint), 'ratio'),
    atMost('ack p99 ms at 4,000/s', 50, row(ratePoint), 'ackP99'),
    atMost('lost at 4,000/s', 0, row(ratePoint), 'lost'),
    atLeast('durable updates/s with p99 < 100 ms', 40_000, row('most'), 'durable'),
  ].filter((goal) => goal !== null)
}
