import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort, startChild } from '../../bench/servers/child.js'
import { serverProgram } from './folders.js'

/** A Weft node for one run. */
export interface LoadedServer {
  readonly url: string
  stop(): Promise<void>
}

/** All clients of a load machine come from one address, and make as many connections as a town. */
const limits = {
  MAX_CONNECTIONS_PER_IP: '0',
  MAX_HANDSHAKES_PER_IP: '0',
  MAX_CONNECTIONS_PER_USER: '0',
}

/**
 * Starts a node on a free port of 127.0.0.1, without the limits of an address.
 * @param settings further ones; without `DATABASE_URL` the node has the embedded store, in a folder that goes with it
 */
export const startServer = async (settings: Readonly<Record<string, string>>): Promise<LoadedServer> => {
  const folder = await mkdtemp(join(tmpdir(), 'weft-k6-'))
  const server = await startChild({
    script: serverProgram,
    args: ['start'],
    env: { HOST: '127.0.0.1', DATA_DIR: folder, LOG_LEVEL: 'warn', ...limits, ...settings },
    port: await freePort(),
    cores: null,
    readyPath: '/readyz',
  })
  return {
    url: `ws://127.0.0.1:${server.port}`,
    async stop() {
      await server.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
