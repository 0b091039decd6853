import {
  serverProcess,
  startPostgres,
  startRedis,
  type ServerProcess,
  type TestPostgres,
  type TestRedis,
} from '@weft/server/testing'
import { Balancer } from './balancer.js'

/** Nodes in processes of their own, a PostgreSQL, a Redis, and a balancer before them: all real, and all may fail. */
export class Cluster {
  readonly database: TestPostgres
  readonly redis: TestRedis
  readonly nodes: readonly ServerProcess[]
  readonly balancer: Balancer

  private constructor(
    database: TestPostgres,
    redis: TestRedis,
    nodes: readonly ServerProcess[],
    balancer: Balancer,
  ) {
    this.database = database
    this.redis = redis
    this.nodes = nodes
    this.balancer = balancer
  }

  /** Resolves when every node answers. */
  static async start(size: number): Promise<Cluster> {
    const database = await startPostgres()
    const redis = await startRedis()
    const env = { DATABASE_URL: await database.createDatabase(), REDIS_URL: redis.url }
    const nodes = await Promise.all(Array.from({ length: size }, () => serverProcess(env)))
    for (const node of nodes) node.spawn()
    await Promise.all(nodes.map((node) => node.untilUp()))
    return new Cluster(database, redis, nodes, await Balancer.start(nodes.map(({ port }) => port)))
  }

  /** A metric of all nodes together. */
  async metric(name: string): Promise<number> {
    let sum = 0
    for (const node of this.nodes) sum += await node.metric(name)
    return sum
  }

  /** SIGKILL to the nodes, Redis and PostgreSQL. */
  async kill(): Promise<void> {
    await Promise.all([...this.nodes, this.redis, this.database].map((part) => part.kill()))
  }

  /** Whatever a fault left undone: everything runs again. */
  async restore(): Promise<void> {
    this.redis.cont()
    this.database.resume()
    await this.redis.restart().catch(() => undefined)
    await this.database.start().catch(() => undefined)
    for (const node of this.nodes) {
      node.resume()
      node.spawn()
    }
    await Promise.all(this.nodes.map((node) => node.untilUp()))
  }

  /** Ends it for good. */
  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.kill()))
    await this.balancer.close()
    await this.redis.dispose()
    await this.database.dispose()
  }
}
