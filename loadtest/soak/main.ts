/*
 * `npm run soak -w loadtest -- [--minutes N] [--out FOLDER]`: whether a server that works for long holds more and more.
 */
import { parseArgs } from 'node:util'
import { Bench } from '../bench/bench.js'
import { formatNumber } from '../bench/report/markdown.js'
import { freePort } from '../bench/servers/child.js'
import { pinSelf } from '../bench/servers/cores.js'
import { resultsFolder } from '../bench/report/results-folder.js'
import { writeSvg } from '../plot/svg.js'
import { chartOf } from './chart.js'
import { soak } from './run.js'
import { trendsOf, warmUpShare, type Held } from './trend.js'

const usage = `npm run soak -w loadtest -- [options]

One node on PostgreSQL. 400 clients type 200 updates a second, over either protocol in turn, while others come and go.

--minutes N   how long (default: 60; at least 1)
--out FOLDER  of soak.svg (default: loadtest/results)

The exit code is 1 when memory, descriptors, handles, connections or rooms grew after the first ${warmUpShare * 100} % of the time, when an update was
lost, or when somebody was not let in.`

const names: Readonly<Record<Held, string>> = {
  rss: 'resident memory, MB',
  heap: 'used heap after a collection, MB',
  descriptors: 'open file descriptors',
  handles: 'handles of the event loop',
  connections: 'connections',
  rooms: 'open rooms',
}
const scaleOf = (held: Held): number => (held === 'rss' || held === 'heap' ? 1e-6 : 1)

const readOptions = (): { minutes: number; out: string | null } | null => {
  const { values } = parseArgs({
    options: { minutes: { type: 'string' }, out: { type: 'string' }, help: { type: 'boolean' } },
  })
  if (values.help === true) return null
  const minutes = values.minutes === undefined ? 60 : Number(values.minutes)
  if (!(minutes >= 1 && minutes <= 10_000))
    throw new Error(`--minutes must be a number from 1 to 10000, and is "${values.minutes ?? ''}".`)
  return { minutes, out: values.out ?? null }
}

const main = async (): Promise<void> => {
  const options = readOptions()
  if (options === null) {
    console.log(usage)
    return
  }
  const interrupt = new AbortController()
  process.once('SIGINT', () => interrupt.abort())
  process.once('SIGTERM', () => interrupt.abort())
  const collectorPort = await freePort()
  const collector = new URL(`collector.js?port=${collectorPort}`, import.meta.url)
  const bench = new Bench({
    quick: false,
    repetitions: 1,
    only: ['weft', 'weft-yjs'],
    cores: pinSelf(),
    weftExecArgv: ['--expose-gc', `--import=${collector.href}`],
    log: () => undefined,
  })
  try {
    let said = 0
    const { samples, sent, lost, visits, failedVisits } = await soak(
      bench,
      collectorPort,
      options.minutes,
      ({ at, rss, heap, handles }) => {
        if (at < said) return
        said = at + 10
        console.log(
          `${formatNumber(at, 0)} s: ${formatNumber(rss / 1e6, 0)} MB, of it ${formatNumber(heap / 1e6, 0)} MB heap, ${handles} handles`,
        )
      },
      interrupt.signal,
    )
    const folder = resultsFolder(options.out)
    await writeSvg(`${folder}/soak.svg`, chartOf(samples))
    const trends = trendsOf(samples)
    console.log('\n| | then | in the end | may grow by | |\n|---|---:|---:|---:|---|')
    for (const { held, first, last, allowed, isFlat } of trends) {
      const cells = [first, last, allowed].map((value) => formatNumber(value * scaleOf(held), 0))
      console.log(`| ${names[held]} | ${cells.join(' | ')} | ${isFlat ? 'flat' : 'GROWS'} |`)
    }
    const grown = trends.filter(({ isFlat }) => !isFlat).map(({ held }) => names[held])
    console.log(
      `\n${folder}/soak.svg\n${sent} updates, ${lost} lost; ${visits} visits, ${failedVisits} not let in; ${grown.length === 0 ? 'nothing grew' : `grew: ${grown.join('; ')}`}`,
    )
    process.exitCode = grown.length === 0 && lost === 0 && failedVisits === 0 && sent > 0 ? 0 : 1
  } finally {
    await bench.dispose()
  }
}

try {
  await main()
} catch (thrown) {
  console.error(thrown instanceof Error ? thrown.message : thrown)
  process.exitCode = 1
}
