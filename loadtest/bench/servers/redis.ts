import { Redis } from 'ioredis'
import { startRedis } from '@weft/server/testing'

/** A Redis of this run's own. */
export interface RedisServer {
  readonly url: string
  /** What it has done since its start. */
  work(): Promise<RedisWork>
  dispose(): Promise<void>
}

/** What a Redis has done so far. */
export interface RedisWork {
  /** PUBLISH and SPUBLISH commands. */
  readonly publishes: number
  readonly cpuMs: number
}

/** Starts the `redis-server` on the PATH, on this process's core. */
export const startRedisServer = async (): Promise<RedisServer> => {
  const server = await startRedis()
  const client = new Redis(server.url)
  client.on('error', () => {
    // Of a Redis that has ended; a question meanwhile is rejected by itself.
  })
  return {
    url: server.url,
    async work() {
      const sumOf = (text: string, pattern: RegExp): number =>
        [...text.matchAll(pattern)].reduce((sum, match) => sum + Number(match[1]), 0)
      return {
        publishes: sumOf(await client.info('commandstats'), /^cmdstat_s?publish:calls=(\d+)/gm),
        cpuMs: sumOf(await client.info('cpu'), /^used_cpu_(?:sys|user):([\d.]+)/gm) * 1000,
      }
    },
    async dispose() {
      client.disconnect()
      await server.dispose()
    },
  }
}
