import { setTimeout as sleep } from 'node:timers/promises'
import type { Bench, WeftData } from '../bench.js'
import { coldDocument } from '../data/cold-document.js'
import { joinRoom, settleJoins } from '../load/joiner.js'
import { checkRoom, seedRoom } from '../load/seed.js'
import { loopDelay } from '../measure/metrics.js'
import { mainThreadCpuMs, residentBytes } from '../measure/proc.js'
import { percentile } from '../measure/statistics.js'
import { measure } from '../measure/window.js'
import { type Column, type Goal, type Row, atMost } from '../report/result.js'
import type { Target } from '../servers/target.js'
import { quiet } from './large-targets.js'
import { type Measured, type Scenario, alternate } from './scenario.js'

const clients = 50
const room = 'bench cold document'
const point = `${clients} clients, just restarted`
const sampleMs = 20

const columns: readonly Column[] = [
  { key: 'allMs', label: 'all synced ms', digits: 0 },
  { key: 'p50', label: 'p50 ms', digits: 0 },
  { key: 'loopMs', label: 'loop delay max ms', digits: 0 },
  { key: 'mainCpuMs', label: 'CPU ms of the event loop, in all', digits: 0 },
  { key: 'growth', label: 'RSS growth MB', digits: 0 },
  { key: 'rss', label: 'RSS MB', digits: 0 },
  { key: 'cpuEach', label: 'CPU ms each', digits: 1 },
  { key: 'failed', label: 'refused', digits: 0 },
  { key: 'generator', label: 'generator %', digits: 0 },
  { key: 'others', label: 'others %', digits: 0 },
]

/** A document of 20 MB is opened by many at once, and the server has just started. */
export const coldJoin: Scenario = {
  name: 'cold-join',
  title: 'a document of 20 MB is opened by 50 clients after a restart',
  async run(bench: Bench) {
    const { name, title } = coldJoin
    if (!bench.wantsWeft)
      return { scenario: name, title, columns, rows: [], goals: [], notes: ['Weft did not take part'] }
    const document = coldDocument()
    const seeded = await bench.weft()
    bench.log('seeding the document of 20 MB')
    await seedRoom(seeded.weft, room, document)
    await quiet(seeded.weft, 30_000)
    await checkRoom(seeded.weft, room, document)
    await seeded.stop()
    const contenders = (['weft', 'weft-yjs'] as const)
      .filter((target) => bench.wants(target))
      .map((target) => ({ name: target, measure: () => openAtOnce(bench, target, seeded.data) }))
    const rows = await alternate(bench, point, contenders)
    return {
      scenario: name,
      title,
      columns,
      rows,
      goals: goals(rows),
      notes: [
        `the document: ${document.state.length} bytes encoded, by ${document.updates.length} updates`,
        'loop delay is by the clock: on a busy machine it holds what others did; the CPU time is of the main thread over all joins',
      ],
    }
  },
}

const openAtOnce = async (bench: Bench, name: 'weft' | 'weft-yjs', data: WeftData): Promise<Measured> => {
  const server = await bench.weft({ data })
  const target: Target = name === 'weft' ? server.weft : server.yjs
  const { pid } = target.server
  try {
    await quiet(target, 5000)
    await loopDelay(target.metricsPort)
    const before = residentBytes(pid)
    const mainBefore = mainThreadCpuMs(pid)
    let most = before
    let isOver = false
    const watch = async (): Promise<void> => {
      while (!isOver) {
        most = Math.max(most, residentBytes(pid))
        await sleep(sampleMs)
      }
    }
    const watching = watch()
    const { result, cost } = await measure(target, async () => {
      const start = performance.now()
      const outcome = await settleJoins(
        Array.from({ length: clients }, () => joinRoom({ target, room, known: null })),
      )
      return { ...outcome, allMs: performance.now() - start }
    })
    isOver = true
    await watching
    const loopMs = (await loopDelay(target.metricsPort))?.max ?? null
    const mainCpuMs = mainThreadCpuMs(pid) - mainBefore
    for (const client of result.joined) client.close()
    return {
      complaints: result.reasons,
      sample: {
        allMs: result.failed > 0 ? null : result.allMs,
        p50: percentile(
          result.joined.map(({ ms }) => ms),
          0.5,
        ),
        loopMs,
        mainCpuMs,
        growth: (most - before) / 1e6,
        rss: most / 1e6,
        cpuEach: cost.serverCpuMs / clients,
        failed: result.failed,
        generator: cost.generatorShare * 100,
        others: cost.othersShare * 100,
      },
    }
  } finally {
    await server.stop()
  }
}

const goals = (rows: readonly Row[]): Goal[] =>
  rows
    .flatMap((row) => [
      atMost(`${row.target}: longest event-loop delay, ms`, 50, row, 'loopMs'),
      atMost(`${row.target}: RSS growth, MB`, 300, row, 'growth'),
      atMost(`${row.target}: refused`, 0, row, 'failed'),
    ])
    .filter((goal) => goal !== null)
