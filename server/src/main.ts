#!/usr/bin/env node
/* The command line: a few lines on top of the library. */
import { Command, Option } from 'commander'
import { ConfigError, flagOf, readConfig, settings, type Config, type Setting } from './config.js'
import { migrateStore, openStore, StoreStartError } from './store/index.js'
import { createServer } from './server.js'
import { createLogger } from './telemetry/index.js'

const version = '0.1.0'

const addSettings = (command: Command): Command => {
  for (const row of settings as readonly Setting[]) {
    // Not commander's default: a flag that is not given must leave the environment its say.
    const fallback = row.default === '' ? '' : ` (default: ${row.default})`
    command.addOption(new Option(`${flagOf(row.env)} <value>`, `${row.meaning} [${row.env}]${fallback}`))
  }
  return command
}

/** Commander's camel-case options back to the names of the environment. */
const flagsOf = (command: Command): Record<string, string | undefined> => {
  const given = command.opts<Record<string, string | undefined>>()
  const camel = (env: string): string =>
    env.toLowerCase().replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase())
  return Object.fromEntries((settings as readonly Setting[]).map(({ env }) => [env, given[camel(env)]]))
}

/** Errors with a sentence for the operator end the program with it; others are faults, with their stack. */
const orStop = async (run: () => Promise<void>): Promise<void> => {
  try {
    await run()
  } catch (error) {
    const expected = error instanceof ConfigError || error instanceof StoreStartError
    process.stderr.write(
      `weft: ${expected || !(error instanceof Error) ? messageOf(error) : startMessage(error)}\n`,
    )
    process.exit(1)
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
const startMessage = (error: Error): string =>
  /^(PORT|uWebSockets)/.test(error.message) ? error.message : (error.stack ?? error.message)

const start = async (config: Config): Promise<void> => {
  const logger = createLogger(config.logLevel)
  const server = await createServer({ ...config, logger })
  if (config.playground) process.stdout.write(`Playground: ${server.url}/\n`)
  let stopping = false
  const stop = (signal: string): void => {
    if (stopping) return
    stopping = true
    logger.info({ signal }, 'shutting down')
    server.close().then(
      (unsaved) => process.exit(unsaved > 0 ? 1 : 0),
      (error: unknown) => {
        logger.fatal({ err: error }, 'the shutdown failed')
        process.exit(1)
      },
    )
  }
  process.on('SIGTERM', () => stop('SIGTERM'))
  process.on('SIGINT', () => stop('SIGINT'))
}

const migrate = async (config: Config): Promise<void> => {
  const logger = createLogger(config.logLevel)
  if (config.databaseUrl !== undefined) await migrateStore({ kind: 'postgres', url: config.databaseUrl })
  // The embedded database migrates when it is opened.
  else await (await openStore({ dataDir: config.dataDir, logger })).close()
  process.stdout.write('The database is up to date.\n')
}

const program = new Command('weft')
  .description('A real-time collaboration server for Yjs: what it acknowledges is never lost.')
  .version(version)
  .showHelpAfterError()

addSettings(program.command('start', { isDefault: true }).description('run the server')).action(
  async (_options: unknown, command: Command) =>
    orStop(() => start(readConfig(process.env, flagsOf(command)))),
)
addSettings(
  program.command('migrate').description('bring the database to the schema of this version, and stop'),
).action(async (_options: unknown, command: Command) =>
  orStop(() => migrate(readConfig(process.env, flagsOf(command)))),
)

await program.parseAsync()
