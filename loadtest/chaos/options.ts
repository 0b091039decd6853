import { parseArgs } from 'node:util'
import { faultNames, type FaultName } from './faults.js'

export interface ChaosOptions {
  readonly seed: number
  /** Each round is every fault once, in an order of its own. */
  readonly rounds: number
  /** Seconds after which no fault begins any more, instead of rounds. */
  readonly duration: number | null
  /** Milliseconds that a fault lasts. */
  readonly outage: number
  readonly nodes: number
  /** Clients of the SDK, each in every room. */
  readonly typists: number
  /** A stock y-websocket client is in each. */
  readonly rooms: number
  /** Milliseconds between two edits of a client. */
  readonly pace: number
  readonly faults: readonly FaultName[]
  /** The folder of `chaos.json` and `chaos.svg`; null for `loadtest/results`. */
  readonly out: string | null
}

const numbers = {
  seed: { default: 1, min: 0, max: 2 ** 31 },
  rounds: { default: 1, min: 1, max: 1000 },
  duration: { default: 0, min: 1, max: 86_400 },
  outage: { default: 5000, min: 100, max: 600_000 },
  nodes: { default: 3, min: 2, max: 16 },
  typists: { default: 18, min: 2, max: 200 },
  rooms: { default: 6, min: 1, max: 200 },
  pace: { default: 250, min: 5, max: 60_000 },
} as const

export const usage = `npm run chaos -- [options]

A cluster of real nodes, PostgreSQL and Redis; people who type; and one fault after the other.

--faults A,B   of ${faultNames.join(', ')}
               (default: all)
--rounds N     how often each fault happens (default: ${numbers.rounds.default})
--duration S   instead: seconds after which no fault begins any more
--outage MS    how long a fault lasts (default: ${numbers.outage.default})
--seed N       of the order of the faults, of who is hit, and of what is typed where (default: ${numbers.seed.default})
--nodes N      (default: ${numbers.nodes.default})
--rooms N      with a stock y-websocket client in each (default: ${numbers.rooms.default})
--typists N    clients of the SDK, each in every room (default: ${numbers.typists.default})
--pace MS      between two edits of a client (default: ${numbers.pace.default})
--out FOLDER   of chaos.json and chaos.svg (default: loadtest/results)

The last line is the verdict. The exit code is 1 when a promise was broken or nothing was acknowledged. Ctrl-C ends the
faults, and the verdict over what was typed so far follows; a second one ends at once.`

/** An option that cannot be; the message is a sentence for whoever typed it. */
export class OptionError extends Error {}

/** @returns null when help is asked for. @throws {OptionError} */
export const readOptions = (args: readonly string[]): ChaosOptions | null => {
  const values = parse(args)
  if (values.help === true) return null
  const number = (name: keyof typeof numbers): number => {
    const { default: standard, min, max } = numbers[name]
    const text = values[name]
    if (text === undefined) return standard
    const value = /^\d+$/.test(text) ? Number(text) : NaN
    if (value >= min && value <= max) return value
    throw new OptionError(`--${name} must be a whole number from ${min} to ${max}, and is "${text}".`)
  }
  if (values.rounds !== undefined && values.duration !== undefined)
    throw new OptionError('--rounds and --duration exclude each other.')
  return {
    seed: number('seed'),
    rounds: number('rounds'),
    duration: values.duration === undefined ? null : number('duration'),
    outage: number('outage'),
    nodes: number('nodes'),
    typists: number('typists'),
    rooms: number('rooms'),
    pace: number('pace'),
    faults: values.faults === undefined ? faultNames : values.faults.split(',').map(faultOf),
    out: values.out ?? null,
  }
}

const text = { type: 'string' } as const

const parse = (args: readonly string[]) => {
  try {
    return parseArgs({
      args: [...args],
      options: {
        seed: text,
        rounds: text,
        duration: text,
        outage: text,
        nodes: text,
        typists: text,
        rooms: text,
        pace: text,
        faults: text,
        out: text,
        help: { type: 'boolean' },
      },
    }).values
  } catch (thrown) {
    const message = thrown instanceof Error ? thrown.message : String(thrown)
    throw new OptionError(`${message.split('. ')[0]}: see --help.`)
  }
}

const faultOf = (name: string): FaultName => {
  const fault = faultNames.find((each) => each === name)
  if (fault === undefined)
    throw new OptionError(`There is no fault "${name}" for --faults: it takes ${faultNames.join(', ')}.`)
  return fault
}
