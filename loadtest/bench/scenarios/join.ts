import type { Bench } from '../bench.js'
import { joinRoom, settleJoins } from '../load/joiner.js'
import { loopDelayMaxMs } from '../measure/metrics.js'
import { percentile } from '../measure/statistics.js'
import { measure } from '../measure/window.js'
import { type Column, type Goal, type Row, atMost } from '../report/result.js'
import { isPeer } from '../servers/peers.js'
import type { Target } from '../servers/target.js'
import { type LargeTargets, largeRoom, quiet, startLargeTargets } from './large-targets.js'
import { type Measured, type Scenario, alternate } from './scenario.js'

export const joinColumns: readonly Column[] = [
  { key: 'allMs', label: 'all synced ms', digits: 0 },
  { key: 'p50', label: 'p50 ms', digits: 1 },
  { key: 'p99', label: 'p99 ms', digits: 1 },
  { key: 'cpuEach', label: 'CPU ms each', digits: 2 },
  { key: 'ratio', label: 'ratio to bare', digits: 2 },
  { key: 'databaseCpuEach', label: 'PostgreSQL ms each', digits: 2 },
  { key: 'loopMs', label: 'loop delay max ms', digits: 0 },
  { key: 'kilobytes', label: 'KB each', digits: 0 },
  { key: 'rss', label: 'RSS MB', digits: 0 },
  { key: 'failed', label: 'refused', digits: 0 },
  { key: 'generator', label: 'generator %', digits: 0 },
  { key: 'others', label: 'others %', digits: 0 },
]

/** Several joins one after the other tell more of a single one than the clock can. */
const singles = 10

/** Clients that open a large document. */
export const join: Scenario = {
  name: 'join',
  title: 'join the large document',
  async run(bench: Bench) {
    const large = await startLargeTargets(bench)
    const targets = targetsOf(bench, large)
    const rows: Row[] = []
    for (const clients of [1, 100]) {
      // One at a time tells little more of others, and they are slow.
      const taking = targets.filter(({ name }) => clients > 1 || !isPeer(name))
      const contenders = taking.map((target) => ({
        name: target.name,
        measure: () => joinAtOnce(target, clients),
      }))
      rows.push(...(await alternate(bench, pointOf(clients), contenders, 'cpuEach')))
    }
    rows.push(...(await firstJoins(bench, large)))
    return {
      scenario: join.name,
      title: join.title,
      columns: joinColumns,
      rows,
      goals: goals(rows),
      notes: large.notes,
    }
  },
}

const pointOf = (clients: number): string => (clients === 1 ? '1 client' : `${clients} clients at once`)

/** Those of the servers that the run wants, bare first. */
export const targetsOf = (bench: Bench, { bare, weft, peers }: LargeTargets): Target[] => [
  ...(bare ? [bare] : []),
  ...(weft && bench.wants('weft') ? [weft.weft] : []),
  ...(weft && bench.wants('weft-yjs') ? [weft.yjs] : []),
  ...peers,
]

const joinAtOnce = async (target: Target, clients: number): Promise<Measured> => {
  const rounds = clients === 1 ? singles : 1
  await loopDelayMaxMs(target.metricsPort)
  const { result, cost } = await measure(target, async () => {
    const times: number[] = []
    let allMs = 0
    let bytes = 0
    let failed = 0
    const reasons: string[] = []
    for (let round = 0; round < rounds; round++) {
      const start = performance.now()
      const joins = Array.from({ length: clients }, () => joinRoom({ target, room: largeRoom, known: null }))
      const outcome = await settleJoins(joins)
      failed += outcome.failed
      reasons.push(...outcome.reasons)
      allMs += performance.now() - start
      for (const client of outcome.joined) {
        times.push(client.ms)
        bytes += client.bytes
        client.close()
      }
    }
    return { times, allMs: allMs / rounds, bytes, failed, reasons }
  })
  const loopMs = await loopDelayMaxMs(target.metricsPort)
  const each = clients * rounds
  await quiet(target, 3000)
  return {
    complaints: result.reasons,
    sample: {
      // Not all are: then there is no such time.
      allMs: result.failed > 0 ? null : result.allMs,
      failed: result.failed,
      p50: percentile(result.times, 0.5),
      p99: percentile(result.times, 0.99),
      cpuEach: cost.serverCpuMs / each,
      databaseCpuEach: cost.databaseCpuMs > 0 ? cost.databaseCpuMs / each : null,
      loopMs,
      kilobytes: result.bytes / each / 1000,
      rss: cost.rss / 1e6,
      generator: cost.generatorShare * 100,
      others: cost.othersShare * 100,
    },
  }
}

/** The first clients after a restart: the room is read from the store for them. */
const firstJoins = async (bench: Bench, { weft }: LargeTargets): Promise<Row[]> => {
  if (!weft) return []
  await weft.stop()
  return alternate(bench, '100 clients, just restarted', [
    {
      name: 'weft',
      measure: async () => {
        const server = await bench.weft({ data: weft.data })
        try {
          return await joinAtOnce(server.weft, 100)
        } finally {
          await server.stop()
        }
      },
    },
  ])
}

const goals = (rows: readonly Row[]): Goal[] =>
  (['weft', 'weft-yjs'] as const)
    .flatMap((target) => {
      const row = rows.find((candidate) => candidate.target === target && candidate.point === pointOf(100))
      return [
        atMost(`${target}: 100 joins at once, all synced, ms`, 500, row, 'allMs'),
        atMost(`${target}: CPU ms per join`, 2, row, 'cpuEach'),
        atMost(`${target}: longest event-loop delay, ms`, 50, row, 'loopMs'),
      ]
    })
    .filter((goal) => goal !== null)
