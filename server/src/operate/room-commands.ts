/* `weft room ...`: the arguments and what is printed. */
import { InvalidArgumentError, type Command } from 'commander'
import type { Config } from '../config.js'
import { inspectRoom, reportText } from './inspect-room.js'
import { exportRoom, importRoom } from './move-room.js'
import { operate } from './operator.js'
import { repairRoom } from './repair-room.js'

/** How the program runs a command: it adds the settings, and ends with a sentence when `run` throws. */
export interface CommandHost {
  addSettings(command: Command): Command
  run(command: Command, run: (config: Config) => Promise<void>): Promise<void>
}

interface Options {
  readonly tenant: string
  readonly maxMs: number
  readonly json?: boolean
  readonly out: string
  readonly events?: string
  readonly dryRun?: boolean
}

const print = (text: string): void => void process.stdout.write(text)

const milliseconds = (value: string): number => {
  const number = Number(value)
  if (!Number.isInteger(number) || number < 1 || number > 3_600_000)
    throw new InvalidArgumentError('milliseconds, from 1 to 3600000')
  return number
}

/** Adds `room inspect|export|import|repair`. */
export const addRoomCommands = (program: Command, host: CommandHost): void => {
  const room = program
    .command('room')
    .description(
      'look at one room, take it out, put it in, or repair it; the embedded store only while no server runs',
    )
  const add = (name: string, description: string): Command =>
    host
      .addSettings(room.command(name).description(description))
      .option('--tenant <tenant>', 'whose room it is', '')
      .option('--max-ms <ms>', 'the time that loading the room may take', milliseconds, 60_000)

  add('inspect <room>', 'print what is known of the room')
    .option('--json', 'as JSON')
    .action((name: string, options: Options, command: Command) =>
      host.run(command, async (config) => {
        const report = await operate(config, (operator) =>
          inspectRoom(operator, options.tenant, name, options.maxMs),
        )
        print(options.json === true ? `${JSON.stringify(report, null, 2)}\n` : reportText(report))
      }),
    )
  add('export <room>', 'write the document to a file, as one Yjs update (v1)')
    .requiredOption('--out <file>', 'the file for the update')
    .option('--events <file>', 'a file for the log: one event a line, as JSON, payloads in base64')
    .action((name: string, options: Options, command: Command) =>
      host.run(command, async (config) => {
        const files = { update: options.out, events: options.events ?? null }
        const { bytes, events } = await operate(config, (operator) =>
          exportRoom(operator, options.tenant, name, files, options.maxMs),
        )
        print(`${bytes} bytes written to ${options.out}.\n`)
        if (files.events !== null) print(`${events} events written to ${files.events}.\n`)
      }),
    )
  add('import <room> <file>', 'add a Yjs update (v1) to the room, which is made if there is none').action(
    (name: string, file: string, options: Options, command: Command) =>
      host.run(command, async (config) => {
        const limits = { updateBytes: config.maxUpdateBytes, maxMs: options.maxMs }
        const { seq, bytes, waits } = await operate(config, (operator) =>
          importRoom(operator, options.tenant, name, file, limits),
        )
        print(`${bytes} bytes imported as event ${seq}.\n`)
        if (waits) print('Parts of it wait for changes that the room does not have.\n')
      }),
  )
  add('repair <room>', 'set aside the events that keep the room from loading, and write a new snapshot')
    .option('--dry-run', 'find them only')
    .action((name: string, options: Options, command: Command) =>
      host.run(command, async (config) => {
        const dryRun = options.dryRun === true
        const { bad, snapshotBytes } = await operate(config, (operator) =>
          repairRoom(operator, options.tenant, name, { maxMs: options.maxMs, dryRun }),
        )
        for (const { seq, reason } of bad) print(`event ${seq}: ${reason}\n`)
        const count = `${bad.length} ${bad.length === 1 ? 'event' : 'events'}`
        if (snapshotBytes === null) print(`${count} would be set aside. Nothing was changed.\n`)
        else print(`${count} set aside; a new snapshot of ${snapshotBytes} bytes was written.\n`)
      }),
    )
}
