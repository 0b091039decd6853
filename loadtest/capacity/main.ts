/*
 * `npm run capacity -w loadtest`: measures what one of each costs, holds two predictions against measurements, and prints the
 * tables of CAPACITY.md.
 */
import { Bench } from '../bench/bench.js'
import { formatNumber } from '../bench/report/markdown.js'
import { pinSelf } from '../bench/servers/cores.js'
import { measureCosts, measureLoad } from './measure.js'
import { type Habit, type Load, type Prediction, type UnitCosts, carried, error, predict } from './model.js'

/** What the predictions are checked on: other rooms, members and rates than the costs were taken from. */
const checks: readonly { readonly title: string; readonly load: Load }[] = [
  {
    title: 'one node: 300 rooms of 6, 3,000 updates/s',
    load: { rooms: 300, membersPerRoom: 6, updatesPerSecond: 3_000, nodes: 1 },
  },
  {
    title: 'two nodes: 200 rooms of 4, 2,000 updates/s',
    load: { rooms: 200, membersPerRoom: 4, updatesPerSecond: 2_000, nodes: 2 },
  },
]

const units: readonly { readonly key: keyof UnitCosts; readonly text: string; readonly unit: string }[] = [
  { key: 'update', text: 'an update in: checked, journaled, acknowledged', unit: 'µs of node CPU' },
  { key: 'delivery', text: 'an update out to one member', unit: 'µs of node CPU' },
  { key: 'join', text: 'a join of a small room, with its handshake', unit: 'µs of node CPU' },
  { key: 'node', text: 'a node that takes updates, each second: mostly its commits', unit: 'µs of node CPU' },
  { key: 'relay', text: 'an update to one other node, on both sides', unit: 'µs of node CPU' },
  { key: 'databaseUpdate', text: 'an update in PostgreSQL', unit: 'µs of its CPU' },
  { key: 'databaseNode', text: 'a node that commits, each second', unit: 'µs of PostgreSQL CPU' },
  {
    key: 'redisNode',
    text: 'a node that commits, each second: notices, heartbeats',
    unit: 'µs of Redis CPU',
  },
  { key: 'redisUpdate', text: 'an update through Redis to one other node', unit: 'µs of its CPU' },
  { key: 'processBytes', text: 'a node', unit: 'bytes' },
  { key: 'connectionBytes', text: 'a connection in a room', unit: 'bytes' },
  { key: 'roomBytes', text: 'an open room', unit: 'bytes' },
  { key: 'commits', text: 'group commits of a node at 12,000 updates/s', unit: 'each second' },
  { key: 'deliveryBytes', text: 'an update on the wire to one member', unit: 'bytes' },
]

const parts: readonly { readonly key: keyof Prediction; readonly text: string; readonly scale: number }[] = [
  { key: 'nodeCpu', text: 'CPU of the nodes, % of a core', scale: 100 },
  { key: 'databaseCpu', text: 'CPU of PostgreSQL, % of a core', scale: 100 },
  { key: 'redisCpu', text: 'CPU of Redis, % of a core', scale: 100 },
  { key: 'memory', text: 'memory of the nodes, MB', scale: 1e-6 },
  { key: 'egress', text: 'to clients, MB/s', scale: 1e-6 },
]

/** Rooms of four, in which each person types two keystrokes a second for a tenth of the time. */
const habit: Habit = { membersPerRoom: 4, updatesPerSecond: 0.2 }
/** How much of its core a node may use on the average. */
const budget = 0.6
/** Nodes, and the cells that they are divided into. */
const sizes = [
  [1, 1],
  [10, 1],
  [1000, 1],
  [1000, 100],
] as const

const carriedTable = (costs: UnitCosts): string =>
  [
    '| nodes | cells | people | updates/s | MB a node | to clients, MB/s | PostgreSQL, cores | Redis, cores | notices/s at a node |',
    '|---:|---:|---:|---:|---:|---:|---:|---:|---:|',
    ...sizes.map(([nodes, cells]) => {
      const all = carried(costs, habit, nodes, cells, budget)
      const cell = (value: number, digits = 0): string => formatNumber(value, digits)
      return `| ${cell(nodes)} | ${cell(cells)} | ${cell(all.people)} | ${cell(all.updatesPerSecond)} | ${cell(all.memoryPerNode / 1e6)} | ${cell(all.egress / 1e6)} | ${cell(all.databaseCpu, 1)} | ${cell(all.redisCpu, 1)} | ${cell(all.notices / nodes)} |`
    }),
  ].join('\n')

const costTable = (costs: UnitCosts): string =>
  [
    '| what | cost | of |',
    '|---|---:|---|',
    ...units.map(
      ({ key, text, unit }) =>
        `| ${text} | ${formatNumber(costs[key], costs[key] < 100 ? 1 : 0)} | ${unit} |`,
    ),
  ].join('\n')

const main = async (): Promise<void> => {
  const log = (text: string): void => void process.stderr.write(`${text}\n`)
  const bench = new Bench({
    quick: false,
    repetitions: 3,
    only: ['weft'],
    cores: pinSelf(),
    weftExecArgv: [],
    log,
  })
  const interrupted = (): void => void bench.dispose().finally(() => process.exit(130))
  process.once('SIGINT', interrupted)
  process.once('SIGTERM', interrupted)
  try {
    const costs = await measureCosts(bench)
    console.log(`${costTable(costs)}\n`)
    console.log(`${carriedTable(costs)}\n`)
    console.log('| configuration | part | predicted | measured | error |\n|---|---|---:|---:|---:|')
    for (const { title, load } of checks) {
      const predicted = predict(costs, load)
      const measured = await measureLoad(bench, load)
      for (const { key, text, scale } of parts) {
        const value = measured[key]
        if (value === undefined) continue
        const [said, seen] = [predicted[key] * scale, value * scale].map((number) => formatNumber(number, 1))
        const off = formatNumber(error(predicted[key], value) * 100, 0)
        console.log(`| ${title} | ${text} | ${said!} | ${seen!} | ${off} % |`)
      }
    }
  } finally {
    await bench.dispose()
  }
}

await main()
