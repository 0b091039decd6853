import { setTimeout as sleep } from 'node:timers/promises'
import type { Bench, Cluster } from '../bench.js'
import { Fleet, type Nodes } from '../load/fleet.js'
import { countsOf } from '../measure/cluster-counts.js'
import { measure } from '../measure/window.js'
import { type Column, type Goal, type Row, atMost } from '../report/result.js'
import { loadColumns, measureLoad } from './load-sample.js'
import { type Measured, type Scenario, alternate } from './scenario.js'

const typing = [
  { shape: { rooms: 50, membersPerRoom: 4, writersPerRoom: [1, 2] }, rates: [200, 1000] },
  { shape: { rooms: 1000, membersPerRoom: 4, writersPerRoom: [1, 2] }, rates: [2000] },
  // Busy enough for relays to be gathered.
  { shape: { rooms: 2, membersPerRoom: 40, writersPerRoom: [20] }, rates: [1000] },
] as const
type Typing = (typeof typing)[number]
const warmUpSeconds = 4

const idleRooms = 1000
const idleSeconds = 20
/** Rooms that were just opened are looked after by sweeps of their own: these are over by then. */
const idleSettleMs = 6000

const own: readonly Column[] = [
  { key: 'p50', label: 'p50 ms, same node', digits: 2 },
  { key: 'crossP50', label: 'p50 ms, other node', digits: 2 },
  { key: 'p99', label: 'p99 ms, same node', digits: 1 },
  { key: 'crossP99', label: 'p99 ms, other node', digits: 1 },
  { key: 'relays', label: 'relays/update', digits: 2 },
  { key: 'notices', label: 'notices/update', digits: 2 },
  { key: 'publishes', label: 'Redis publishes/update', digits: 2 },
  { key: 'redisCpuPerUpdate', label: 'Redis µs/update', digits: 1 },
  { key: 'repairs', label: 'read from the log', digits: 0 },
  { key: 'nodeCpu', label: 'CPU of a node, % of a core', digits: 2 },
  { key: 'sweeps', label: 'sweeps of a node', digits: 0 },
  { key: 'sweepMs', label: 'ms/sweep', digits: 2 },
  { key: 'sweepShare', label: 'in sweeps, % of the time', digits: 3 },
  { key: 'databaseCpu', label: 'PostgreSQL, % of a core', digits: 2 },
]
const taken = new Set(own.map(({ key }) => key))
const columns = [...own, ...loadColumns.filter(({ key }) => !taken.has(key))]

const name = 'weft, 2 nodes'
const pointOf = ({ rooms, membersPerRoom }: Typing['shape'], rate: number): string =>
  `${rooms} rooms of ${membersPerRoom}, ${rate}/s`
const idlePoint = `${idleRooms} rooms, idle, on both nodes`

/** Two nodes on one database and one Redis. */
export const cluster: Scenario = {
  name: 'cluster',
  title: 'two nodes on one PostgreSQL and one Redis',
  async run(bench: Bench) {
    const { title } = cluster
    if (!bench.wantsWeft || !bench.wants('weft'))
      return {
        scenario: cluster.name,
        title,
        columns: [],
        rows: [],
        goals: [],
        notes: ['Weft did not take part'],
      }
    const rows: Row[] = []
    for (const each of typing) rows.push(...(await whileTyping(bench, each)))
    rows.push(...(await whileIdle(bench)))
    return { scenario: cluster.name, title, columns, rows, goals: goals(rows), notes }
  },
}

const notes = [
  'both nodes share the core of the servers; Redis, PostgreSQL and the clients share the other one',
  'CPU µs/update is of both nodes together; relays and notices (of commits) are messages between the nodes, of which ' +
    'several may travel as one publish; Redis publishes are what Redis counted: relays, notices, heartbeats and probes',
  'the time in a sweep is from the question to the answer: an upper bound of its CPU',
]

const targetsOf = ({ nodes }: Cluster): Nodes => [nodes[0].weft, nodes[1].weft]

const end = async ({ nodes }: Cluster): Promise<void> => {
  await Promise.all(nodes.map((node) => node.stop()))
}

/** People on either node type in the same rooms. */
const whileTyping = async (bench: Bench, { shape, rates }: Typing): Promise<Row[]> => {
  const running = await bench.cluster()
  const nodes = targetsOf(running)
  const fleet = await Fleet.connect(nodes, shape)
  await fleet.load(Math.max(...rates), warmUpSeconds)
  const once = async (rate: number): Promise<Measured> => {
    const before = await countsOf(running)
    const { sample, complaints, result } = await measureLoad(
      fleet,
      nodes,
      rate,
      bench.quick ? 3 : 6,
      'update',
    )
    const spent = (await countsOf(running)).since(before)
    return {
      complaints: complaints ?? [],
      sample: {
        ...sample,
        crossP50: result.crossP50,
        crossP99: result.crossP99,
        behind: result.crossP50 - result.p50,
        relays: spent.relays / spent.updates,
        notices: spent.notices / spent.updates,
        publishes: spent.publishes / spent.updates,
        redisCpuPerUpdate: (spent.redisCpuMs * 1000) / spent.updates,
        repairs: spent.repairs,
      },
    }
  }
  const rows: Row[] = []
  for (const rate of rates)
    rows.push(...(await alternate(bench, pointOf(shape, rate), [{ name, measure: () => once(rate) }])))
  fleet.close()
  await end(running)
  return rows
}

/** Rooms that are open on both nodes, with one client on each, and nothing happens. */
const whileIdle = async (bench: Bench): Promise<Row[]> => {
  const running = await bench.cluster()
  const nodes = targetsOf(running)
  const fleet = await Fleet.connect(nodes, {
    rooms: idleRooms,
    membersPerRoom: nodes.length,
    writersPerRoom: 0,
  })
  await sleep(idleSettleMs)
  const once = async (): Promise<Measured> => {
    const before = await countsOf(running)
    const start = performance.now()
    const { cost } = await measure(nodes, () => sleep(idleSeconds * 1000))
    const elapsed = performance.now() - start
    const spent = (await countsOf(running)).since(before)
    return {
      complaints: fleet.tally.complaints,
      sample: {
        nodeCpu: (cost.serverCpuMs / nodes.length / elapsed) * 100,
        sweeps: spent.sweeps / nodes.length,
        sweepMs: spent.sweepMs / spent.sweeps,
        sweepShare: (spent.sweepMs / nodes.length / elapsed) * 100,
        databaseCpu: (cost.databaseCpuMs / elapsed) * 100,
        rss: cost.rss / 1e6,
        generator: cost.generatorShare * 100,
        others: cost.othersShare * 100,
      },
    }
  }
  const rows = await alternate(bench, idlePoint, [{ name, measure: once }])
  fleet.close()
  await end(running)
  return rows
}

const goals = (rows: readonly Row[]): Goal[] => {
  const row = (point: string): Row | undefined => rows.find((candidate) => candidate.point === point)
  return [
    ...typing.flatMap(({ shape, rates }) =>
      rates.flatMap((rate) => {
        const point = pointOf(shape, rate)
        return [
          atMost(`${point}: ms that the p50 of the other node is behind`, 2, row(point), 'behind'),
          atMost(`${point}: relays per update`, 1, row(point), 'relays'),
          atMost(`${point}: Redis publishes per update, of all kinds`, 1, row(point), 'publishes'),
        ]
      }),
    ),
    atMost(`${idleRooms} idle rooms: % of the time in sweeps`, 1, row(idlePoint), 'sweepShare'),
  ].filter((goal) => goal !== null)
}
