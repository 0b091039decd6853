/*
 * `npm run bench -w loadtest -- [scenario ...] [--quick] [--only bare,weft,y-websocket] [--json FILE]`
 */
import { parseArgs } from 'node:util'
import { Bench, type TargetName, targetNames } from './bench.js'
import { formatScenario } from './report/markdown.js'
import { describeEnvironment, writeRecord } from './report/record.js'
import type { ScenarioResult } from './report/result.js'
import { type Scenario, scenarios } from './scenarios/index.js'
import { drawRecord } from './report/draw.js'
import { peerNames, peerVersions } from './servers/peers.js'
import { pinSelf } from './servers/cores.js'

const usage = `npm run bench -w loadtest -- [scenario ...] [options]

scenarios  ${scenarios.map(({ name }) => name).join(', ')} (default: all)
--quick    one repetition, shorter: under 5 minutes for all
--only     servers that take part, of ${targetNames.join(',')} (default: all)
--json     where the record goes (default: loadtest/results/<date>.json)
--weft-node-flag  a flag for the Weft server's Node, as --weft-node-flag=--cpu-prof; may be repeated
`

const readArguments = (): {
  chosen: readonly Scenario[]
  quick: boolean
  only: readonly TargetName[]
  json: string | undefined
  flags: readonly string[]
} => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
      json: { type: 'string' },
      'weft-node-flag': { type: 'string', multiple: true, default: [] },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    console.log(usage)
    process.exit(0)
  }
  const chosen = positionals.map((name) => {
    const scenario = scenarios.find((candidate) => candidate.name === name)
    if (!scenario) throw new Error(`there is no scenario ${name}\n\n${usage}`)
    return scenario
  })
  const only = (values.only?.split(',') ?? targetNames).map((name) => {
    const target = targetNames.find((candidate) => candidate === name)
    if (!target) throw new Error(`there is no server ${name}\n\n${usage}`)
    return target
  })
  return {
    chosen: chosen.length > 0 ? chosen : scenarios,
    quick: values.quick,
    only,
    json: values.json,
    flags: values['weft-node-flag'],
  }
}

const main = async (): Promise<void> => {
  const { chosen, quick, only, json, flags } = readArguments()
  const cores = pinSelf()
  const environment = describeEnvironment({
    quick,
    pinned: cores !== null,
    peers: await peerVersions(peerNames.filter((name) => only.includes(name))),
  })
  const log = (text: string): void => void process.stderr.write(`${text}\n`)
  const bench = new Bench({ quick, only, cores, weftExecArgv: flags, log })
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
