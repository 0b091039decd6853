import { pino } from 'pino'
import { createServer, type ServerOptions, type WeftServer } from '../server.js'
import { freePort } from './postgres.js'
import { makeDataDir } from './data-dir.js'
import { makeTempDir } from './temp-dir.js'

/** A real server of a test's own, on a free port, with a data folder that outlives a restart. */
export interface TestServer {
  /** `ws://127.0.0.1:port` */
  readonly wsUrl: string
  readonly httpUrl: string
  readonly port: number
  readonly server: WeftServer
  /** What the server logged at `error` and above: faults that no client may provoke. */
  readonly faults: readonly string[]
  /** The sum of a metric over its labels, or over those whose labels contain `label`. */
  metric(name: string, label?: string): Promise<number>
  /** Shuts down and starts again on the same port and data. */
  restart(): Promise<void>
  /** Shuts down without starting again. @returns changes that were not saved */
  stop(): Promise<number>
  /** Stops and deletes the data. */
  dispose(): Promise<void>
}

/** Starts a server. Without `databaseUrl` on the embedded database, which takes a second: share one in a file. */
export const startServer = async (options: Omit<ServerOptions, 'logger'> = {}): Promise<TestServer> => {
  const isEmbedded = options.databaseUrl === undefined && options.store === undefined
  const dir = await (isEmbedded ? makeDataDir() : makeTempDir())
  const faults: string[] = []
  const logger = pino({ level: 'error' }, { write: (line: string) => void faults.push(line) })
  // Not 0: uWS then sets no SO_REUSEADDR, and the connections before a restart keep the next server from the port.
  const port = await freePort()
  const start = async (): Promise<WeftServer> => {
    return await createServer({
      dataDir: dir.path,
      playground: false,
      docWorkers: 1,
      ...options,
      port,
      logger,
    })
  }
  let server = await start()
  let stopped = false
  const stop = async (): Promise<number> => {
    stopped = true
    return await server.close()
  }
  return {
    wsUrl: `ws://127.0.0.1:${port}`,
    httpUrl: `http://127.0.0.1:${port}`,
    port,
    get server() {
      return server
    },
    faults,
    metric: async (name, label = '') => {
      const response = await fetch(`http://127.0.0.1:${port}/metrics`)
      let sum = 0
      for (const line of (await response.text()).split('\n')) {
        const match = /^(\w+)(\{[^}]*\})? (\S+)$/.exec(line)
        if (match?.[1] === name && (match[2] ?? '').includes(label)) sum += Number(match[3])
      }
      return sum
    },
    restart: async () => {
      await stop()
      server = await start()
      stopped = false
    },
    stop,
    dispose: async () => {
      if (!stopped) await stop()
      await dir.remove()
    },
  }
}
