/*
 * `weft start --processes N`: several server processes behind one port. The kernel spreads the connections over them
 * (SO_REUSEPORT); they meet on Redis and PostgreSQL like nodes on several machines.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { ConfigError, type Config } from './config.js'
import { checkPortIsFree } from './gateway/index.js'
import { migrateStore } from './store/index.js'
import { decodeProcessMessage, processVariable } from './supervisor-link.js'
import { Supervisor, type ProcessEvents, type SupervisedProcess, type SupervisorEnd } from './supervisor.js'
import { createLogger, mergeMetrics, type Logger } from './telemetry/index.js'

/** The program that the processes run, with its arguments. */
export interface SupervisedProgram {
  readonly path: string
  readonly args: readonly string[]
}

/** What a process has beyond SHUTDOWN_TIMEOUT_MS until it is killed. */
const shutdownGraceMs = 5_000

/**
 * Runs the processes until a signal or a failed start ends them.
 * @throws {ConfigError} for a wrong setting
 * @throws {StoreStartError} for a database that cannot be used
 */
export const supervise = async (config: Config, program: SupervisedProgram): Promise<SupervisorEnd> => {
  const logger = createLogger(config.logLevel)
  await checkPortIsFree(config.host, config.port, config.uwsSha256)
  // Each process does it as well, behind a lock. Here what is wrong with the database is said once, and before anything runs.
  if (config.databaseUrl !== undefined) await migrateStore({ kind: 'postgres', url: config.databaseUrl })
  let supervisor: Supervisor | null = null
  const metricsServer = config.metricsPort === 0 ? null : await serveAll(config, logger, () => supervisor)
  supervisor = new Supervisor({
    processes: config.processes,
    shutdownMs: config.shutdownTimeoutMs + shutdownGraceMs,
    start: (process, events) => startProcess(program, process, events),
    ready: (url) => {
      logger.info({ url, processes: config.processes }, `${config.processes} processes listen on ${url}`)
      if (config.playground) process.stdout.write(`Playground: ${url}/\n`)
    },
    random: Math.random,
    logger,
  })
  const running = supervisor
  process.on('SIGTERM', () => running.signal('SIGTERM'))
  process.on('SIGINT', () => running.signal('SIGINT'))
  const end = await running.ended
  metricsServer?.close()
  metricsServer?.closeAllConnections()
  if (end.failure === null) logger.info({ code: end.code }, 'all processes have stopped')
  return end
}

const startProcess = (
  { path, args }: SupervisedProgram,
  number: number,
  events: ProcessEvents,
): SupervisedProcess => {
  const child = fork(path, args, { env: { ...process.env, [processVariable]: String(number) } })
  child.on('message', (message) => {
    const known = decodeProcessMessage(message)
    if (known !== null) events.message(known)
  })
  child.once('exit', (code, signal) => events.exit(code, signal))
  child.on('error', (error) => {
    // Without a process there is no 'exit'. With one it is a signal or a message that did not arrive: its end tells.
    if (child.pid !== undefined) return
    events.message({ type: 'failed', reason: `a process cannot be started: ${error.message}.` })
    events.exit(1, null)
  })
  return {
    pid: child.pid,
    kill: (signal) => void child.kill(signal),
    send: (message) => void child.send(message, () => undefined),
  }
}

interface Page {
  readonly status: number
  readonly type: string
  readonly text: string
}

const json = (ok: boolean, body: unknown): Page => ({
  status: ok ? 200 : 503,
  type: 'application/json; charset=utf-8',
  text: `${JSON.stringify(body)}\n`,
})

/** What METRICS_PORT answers, for all processes together; null for 404. */
const pageOf = async (path: string, supervisor: Supervisor | null): Promise<Page | null> => {
  switch (path) {
    case '/metrics': {
      const text =
        supervisor === null ? '' : `${mergeMetrics(await supervisor.metrics())}\n${restartsText(supervisor)}`
      return { status: 200, type: 'text/plain; version=0.0.4; charset=utf-8', text }
    }
    case '/healthz': {
      const health = supervisor?.health ?? { processes: 0, up: 0 }
      return json(health.up > 0, { status: health.up > 0 ? 'ok' : 'down', ...health })
    }
    case '/readyz': {
      if (supervisor === null) return json(false, { status: 'unavailable', processes: [] })
      const { ok, body } = await supervisor.readiness()
      return json(ok, body)
    }
    default:
      return null
  }
}

const serveAll = async (
  { host, metricsPort }: Config,
  logger: Logger,
  supervisor: () => Supervisor | null,
): Promise<Server> => {
  const server = createServer((request, response) => {
    const path = request.method === 'GET' ? (request.url?.split('?')[0] ?? '') : ''
    pageOf(path, supervisor()).then(
      (page) => {
        if (page === null) response.writeHead(404).end()
        else response.writeHead(page.status, { 'Content-Type': page.type }).end(page.text)
      },
      (error: unknown) => {
        logger.error({ err: error, path }, 'asking the processes failed')
        response.writeHead(500).end()
      },
    )
  })
  server.listen(metricsPort, host)
  try {
    await once(server, 'listening')
  } catch (cause) {
    throw new ConfigError(
      `METRICS_PORT ${metricsPort} on HOST ${host} cannot be listened on: it is in use or not ours.`,
      { cause },
    )
  }
  return server
}

const restartsText = (supervisor: Supervisor): string => {
  const name = 'weft_process_restarts_total'
  const samples = supervisor
    .restarts()
    .map(({ process, restarts }) => `${name}{process="${process}"} ${restarts}\n`)
  return `# HELP ${name} Times that a process died and was started again\n# TYPE ${name} counter\n${samples.join('')}`
}
