import { parseArgs } from 'node:util'
import { type TargetName, targetNames } from './bench.js'
import { type Scenario, scenarios } from './scenarios/index.js'

export const usage = `npm run bench -w loadtest -- [scenario ...] [options]

scenarios  ${scenarios.map(({ name }) => name).join(', ')} (default: all)
--quick    one repetition, shorter
--only     servers that take part, of ${targetNames.join(',')} (default: all)
--json     where the record goes (default: loadtest/results/<date>.json)
--weft-node-flag  a flag for the Weft server's Node, as --weft-node-flag=--cpu-prof; may be repeated
`

/** What a run is asked for. */
export interface Options {
  readonly chosen: readonly Scenario[]
  readonly quick: boolean
  readonly only: readonly TargetName[]
  /** Where the record goes; undefined for the usual place. */
  readonly json: string | undefined
  readonly flags: readonly string[]
  /** Only tell how it is used. */
  readonly help: boolean
}

/** Reads the command line. @throws {Error} with the usage, when it names what does not exist */
export const readOptions = (args: readonly string[]): Options => {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
      json: { type: 'string' },
      'weft-node-flag': { type: 'string', multiple: true, default: [] },
      help: { type: 'boolean', default: false },
    },
  })
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
    help: values.help,
  }
}
