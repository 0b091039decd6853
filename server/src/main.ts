#!/usr/bin/env node
/* The command line: a few lines on top of the library. */
import { fileURLToPath } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { Command, Option } from 'commander'
import { ConfigError, flagOf, readConfig, settings, type Config, type Setting } from './config.js'
import { addRoomCommands, OperateError } from './operate/index.js'
import { migrateStore, openStore, StoreStartError } from './store/index.js'
import { connectSupervisor, type SupervisorLink } from './supervisor-link.js'
import { createLogger } from './telemetry/index.js'
import { addTokenCommand } from './token-command.js'
import { messageOf } from './message-of.js'

/*
 * A change lives from its arrival until its commit, some 20 ms. While the heap is young V8 collects it more often than that, sees
 * most changes survive, and decides to allocate them in the old space from then on: each then stays, with all that it refers
 * to, until a full collection, and every scavenge copies megabytes. Without that heuristic they die young.
 */
setFlagsFromString('--no-allocation-site-pretenuring')

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
    flagOf(env)
      .slice(2)
      .replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase())
  return Object.fromEntries((settings as readonly Setting[]).map(({ env }) => [env, given[camel(env)]]))
}

/** Errors with a sentence for the operator end the program with it; others are faults, with their stack. */
const orStop = async (run: () => Promise<void>, link: SupervisorLink | null = null): Promise<void> => {
  try {
    await run()
  } catch (error) {
    const expected =
      error instanceof ConfigError || error instanceof StoreStartError || error instanceof OperateError
    const reason = expected || !(error instanceof Error) ? messageOf(error) : startMessage(error)
    // Several processes have the same to say: their supervisor says it once.
    if (link === null) process.stderr.write(`weft: ${reason}\n`)
    else await link.failed(reason)
    process.exit(1)
  }
}

const startMessage = (error: Error): string =>
  /^(PORT|uWebSockets)/.test(error.message) ? error.message : (error.stack ?? error.message)

const start = async (config: Config, link: SupervisorLink | null): Promise<void> => {
  if (config.processes > 1 && link === null) {
    const { supervise } = await import('./supervise.js')
    const program = { path: fileURLToPath(import.meta.url), args: process.argv.slice(2) }
    const { code, failure } = await supervise(config, program)
    if (failure !== null) process.stderr.write(`weft: ${failure}\n`)
    process.exit(code)
  }
  // Not at the top: the other commands, and a start that a setting stops, need not wait for the server's modules.
  const { createServer } = await import('./server.js')
  const logger = createLogger(config.logLevel)
  const server = await createServer({
    ...config,
    logger,
    ...(link === null ? {} : { processNumber: link.process }),
  })
  if (config.playground && link === null) process.stdout.write(`Playground: ${server.url}/\n`)
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
  link?.ready(server.url, {
    metrics: () => server.metrics(),
    readiness: async () => JSON.stringify(await server.readiness()),
  })
  // Nobody would start it again, or end it with the others.
  void link?.lost.then(() => stop('the supervisor is gone'))
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
  async (_options: unknown, command: Command) => {
    const link = connectSupervisor()
    await orStop(() => start(readConfig(process.env, flagsOf(command)), link), link)
  },
)
addSettings(
  program.command('migrate').description('bring the database to the schema of this version, and stop'),
).action(async (_options: unknown, command: Command) =>
  orStop(() => migrate(readConfig(process.env, flagsOf(command)))),
)
addTokenCommand(program, orStop)

addRoomCommands(program, {
  addSettings,
  run: (command, run) => orStop(() => run(readConfig(process.env, flagsOf(command)))),
})

await program.parseAsync()
