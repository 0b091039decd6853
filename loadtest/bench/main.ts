/*
 * `npm run bench -w loadtest -- [scenario ...] [--quick] [--only bare,weft,y-websocket] [--json FILE]`
 */
import { Bench } from './bench.js'
import { readOptions, usage } from './options.js'
import { formatScenario } from './report/markdown.js'
import { describeEnvironment, writeRecord } from './report/record.js'
import type { ScenarioResult } from './report/result.js'
import { scenarios } from './scenarios/index.js'
import { drawRecord } from './report/draw.js'
import { peerNames, peerVersions } from './servers/peers.js'
import { pinSelf } from './servers/cores.js'

const main = async (): Promise<void> => {
  const { chosen, quick, only, json, flags, help } = readOptions(process.argv.slice(2))
  if (help) {
    console.log(usage)
    return
  }
  const cores = pinSelf()
  const environment = describeEnvironment({
    quick,
    pinned: cores !== null,
    peers: await peerVersions(peerNames.filter((name) => only.includes(name))),
  })
  const log = (text: string): void => void process.stderr.write(`${text}\n`)
  // All of it is to take less than 20 minutes.
  const repetitions = quick ? 1 : chosen.length === scenarios.length ? 2 : 3
  const bench = new Bench({ quick, repetitions, only, cores, weftExecArgv: flags, log })
  // A second signal ends at once: the children are killed on exit.
  const interrupted = (): void => {
    process.once('SIGINT', () => process.exit(130))
    void bench.dispose().finally(() => process.exit(130))
  }
  process.once('SIGINT', interrupted)
  process.once('SIGTERM', interrupted)
  const results: ScenarioResult[] = []
  try {
    console.log(`# Weft benchmark, ${environment.date.slice(0, 10)}\n`)
    console.log(
      `${environment.cpu}, ${environment.cores} cores, Node ${environment.node}, ${environment.kernel}\n`,
    )
    for (const scenario of chosen) {
      const start = performance.now()
      try {
        const found = await scenario.run(bench)
        const result = { ...found, notes: [...found.notes, ...bench.takeComplaints()] }
        console.log(formatScenario(result))
        results.push(result)
      } catch (error) {
        // The others still tell something; the exit code tells that this one failed.
        process.exitCode = 1
        console.log(
          `## ${scenario.name}: failed\n\n${error instanceof Error ? error.message : String(error)}\n`,
        )
        log(`${String(error instanceof Error ? error.stack : error)}\n${bench.logs()}`)
      }
      await bench.endServers()
      log(`${scenario.name} took ${Math.round((performance.now() - start) / 1000)} s`)
    }
  } finally {
    await bench.dispose()
  }
  const name = environment.date.replaceAll(':', '-').slice(0, 19)
  const file = json ?? new URL(`../../results/${name}.json`, import.meta.url).pathname
  await writeRecord(file, environment, results)
  log(`record: ${file}`)
  for (const plot of await drawRecord(file)) log(`plot: ${plot}`)
}

await main()
