/* `npm run chaos -- [options]`: see options.ts. */
import { describeEnvironment } from '../bench/report/record.js'
import { resultsFolder } from '../bench/report/results-folder.js'
import { writeSvg } from '../plot/svg.js'
import { chartOf } from './chart.js'
import { OptionError, readOptions, usage } from './options.js'
import { tableOf, writeChaosRecord, type ChaosRecord } from './record.js'
import { runChaos } from './run.js'

/** How much is printed of what is wrong: the record has all of it. */
const [mostWrong, mostCharacters] = [20, 300]

const main = async (): Promise<void> => {
  const options = readOptions(process.argv.slice(2))
  if (options === null) {
    console.log(usage)
    return
  }
  const interrupt = new AbortController()
  const interrupted = (): void => {
    if (interrupt.signal.aborted) process.exit(130)
    interrupt.abort()
  }
  process.on('SIGINT', interrupted)
  process.on('SIGTERM', interrupted)

  const environment = describeEnvironment({ quick: false, pinned: false, peers: {} })
  const { holds, ...result } = await runChaos(options, (line) => console.log(line), interrupt.signal)
  const record: ChaosRecord = { environment, ...result }
  const folder = resultsFolder(options.out)
  await writeChaosRecord(`${folder}/chaos.json`, record)
  await writeSvg(`${folder}/chaos.svg`, chartOf(record))
  console.log(`\n${tableOf(record.bands)}\n\n${folder}/chaos.json, ${folder}/chaos.svg`)
  const { p99, max } = record.clientLoopDelay
  console.log(
    `the process with all clients was late by ${p99.toFixed(0)} ms (p99), ${max.toFixed(0)} ms at most`,
  )
  const wrong = [...record.findings, ...record.complaints]
  for (const each of wrong.slice(0, mostWrong)) console.log(`wrong: ${each.slice(0, mostCharacters)}`)
  if (wrong.length > mostWrong) console.log(`wrong: ${wrong.length - mostWrong} more, in chaos.json`)
  console.log(record.verdict)
  process.exitCode = holds ? 0 : 1
}

try {
  await main()
} catch (thrown) {
  console.error(thrown instanceof OptionError ? thrown.message : thrown)
  process.exitCode = 1
}
