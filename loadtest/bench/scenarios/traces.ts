import type { Bench } from '../bench.js'
import { readTrace } from '../data/trace.js'
import { replay } from '../load/replay.js'
import { measure } from '../measure/window.js'
import type { Column, Row } from '../report/result.js'
import { type Scenario, alternate, startTargets } from './scenario.js'

const names = ['automerge-paper', 'sveltecomponent']

const columns: readonly Column[] = [
  { key: 'updates', label: 'updates/s, end to end', digits: 0 },
  { key: 'cpuPerUpdate', label: 'CPU µs/update', digits: 1 },
  { key: 'databaseCpuPerUpdate', label: 'PostgreSQL µs/update', digits: 1 },
  { key: 'rss', label: 'RSS MB', digits: 0 },
  { key: 'generator', label: 'generator %', digits: 0 },
  { key: 'others', label: 'others %', digits: 0 },
]

/** Recorded typing of real people, as fast as it comes through. */
export const traces: Scenario = {
  name: 'traces',
  title: 'recorded typing, as fast as another client gets it',
  async run(bench: Bench) {
    // A bare relay keeps nothing that could be checked.
    const targets = (await startTargets(bench)).filter(({ syncs }) => syncs)
    const rows: Row[] = []
    const notes: string[] = []
    for (const name of names) {
      const trace = readTrace(name)
      notes.push(`${name}: ${trace.updates.length} updates, ${trace.text.length} characters in the end`)
      const contenders = targets.map((target) => ({
        name: target.name,
        measure: async () => {
          const { result: seconds, cost } = await measure(target, () => replay(target, trace))
          const each = (ms: number): number => (ms * 1000) / trace.updates.length
          return {
            sample: {
              updates: trace.updates.length / seconds,
              cpuPerUpdate: each(cost.serverCpuMs),
              databaseCpuPerUpdate: cost.databaseCpuMs > 0 ? each(cost.databaseCpuMs) : null,
              rss: cost.rss / 1e6,
              generator: cost.generatorShare * 100,
              others: cost.othersShare * 100,
            },
          }
        },
      }))
      rows.push(...(await alternate(bench, name, contenders)))
    }
    notes.push(
      'every text was read back and compared; Weft by its own protocol also waits until all is durable',
    )
    return { scenario: traces.name, title: traces.title, columns, rows, goals: [], notes }
  },
}
