/* Several Redis servers that stand in for each other: a master with its sentinels, and a cluster. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { Redis } from 'ioredis'
import { startRedis, type TestRedis } from './redis.js'
import { until } from './until.js'

/** What a client that knows them all has to know, and each of them. */
export interface RedisGroup {
  readonly url: string
  readonly servers: readonly TestRedis[]
  dispose(): Promise<void>
}

/** A replica that has not copied its master yet does not take over; by default the first copy waits 5 s for more replicas. */
const quickCopy = 'repl-diskless-sync-delay 0'

/** How soon a server that does not answer is replaced, in milliseconds: production has 5 to 30 seconds. */
const downAfterMs = 1_000

const ask = async (server: TestRedis, ...command: [string, ...string[]]): Promise<string> => {
  const redis = new Redis({
    host: '127.0.0.1',
    port: server.port,
    maxRetriesPerRequest: 0,
    retryStrategy: null,
  })
  redis.on('error', () => undefined)
  try {
    return String(await redis.call(...command))
  } finally {
    redis.disconnect()
  }
}

const hasCopied = async (replica: TestRedis): Promise<boolean> =>
  (await ask(replica, 'info', 'replication')).includes('master_link_status:up')

/** @returns the first of them that copies this master */
export const replicaOf = async (master: TestRedis, servers: readonly TestRedis[]): Promise<TestRedis> => {
  for (const server of servers) {
    if ((await ask(server, 'info', 'replication')).includes(`master_port:${master.port}\r`)) return server
  }
  throw new Error(`nothing copies the master on port ${master.port}`)
}

const group = (
  url: string,
  servers: readonly TestRedis[],
  others: readonly TestRedis[] = [],
): RedisGroup => ({
  url,
  servers,
  dispose: async () => {
    await Promise.all([...others, ...servers].map((server) => server.dispose()))
  },
})

/** A master, `servers[0]`, its replica, and three sentinels, two of which must agree that the master is gone. */
export const startSentinels = async (): Promise<RedisGroup> => {
  const master = await startRedis({ config: [quickCopy] })
  const replica = await startRedis({ config: [quickCopy, `replicaof 127.0.0.1 ${master.port}`] })
  await until(() => hasCopied(replica), 'the replica has copied its master')
  const config = [
    `sentinel monitor weft 127.0.0.1 ${master.port} 2`,
    `sentinel down-after-milliseconds weft ${downAfterMs}`,
    'sentinel failover-timeout weft 5000',
  ]
  const sentinels = await Promise.all([1, 2, 3].map(() => startRedis({ sentinel: true, config })))
  const knowsAll = async (sentinel: TestRedis): Promise<boolean> =>
    (await ask(sentinel, 'info', 'sentinel')).includes('slaves=1,sentinels=3')
  await until(
    async () => (await Promise.all(sentinels.map(knowsAll))).every(Boolean),
    'the sentinels have met',
  )
  const hosts = sentinels.map(({ port }) => `127.0.0.1:${port}`).join()
  return group(`redis+sentinel://${hosts}/weft`, [master, replica], sentinels)
}

/** Three masters, `servers[0]` to `[2]` with the slots in this order, and a replica of each. */
export const startCluster = async (): Promise<RedisGroup> => {
  const config = [quickCopy, `cluster-node-timeout ${downAfterMs}`]
  const servers = await Promise.all(
    Array.from({ length: 6 }, () => startRedis({ cluster: 'member', config })),
  )
  const addresses = servers.map(({ port }) => `127.0.0.1:${port}`)
  const create = ['--cluster', 'create', ...addresses, '--cluster-replicas', '1', '--cluster-yes']
  await promisify(execFile)('redis-cli', create)
  const isOk = async (server: TestRedis): Promise<boolean> =>
    (await ask(server, 'cluster', 'info')).includes('cluster_state:ok')
  await until(async () => (await Promise.all(servers.map(isOk))).every(Boolean), 'the cluster is complete')
  const replicas = servers.slice(3)
  await until(
    async () => (await Promise.all(replicas.map(hasCopied))).every(Boolean),
    'the replicas have copied',
  )
  return group(`redis+cluster://${addresses.slice(0, 3).join()}`, servers)
}
