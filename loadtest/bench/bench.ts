import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { scrape } from './measure/metrics.js'
import { type ServerProcess, freePort, startChild } from './servers/child.js'
import type { Cores } from './servers/cores.js'
import { type Database, startDatabase } from './servers/database.js'
import { type RedisServer, startRedisServer } from './servers/redis.js'
import { type PeerName, installPeer, isPeer, peerNames, peers, probeScript } from './servers/peers.js'
import type { OwnTarget, Target } from './servers/target.js'

const bareScript = new URL('servers/bare-server.js', import.meta.url).pathname
const weftScript = new URL('../../../server/dist/main.js', import.meta.url).pathname

const busTimeoutMs = 10_000

/** Which servers take part. */
export const targetNames = ['bare', 'weft', 'weft-yjs', ...peerNames] as const
export type TargetName = (typeof targetNames)[number]

export interface BenchOptions {
  /** Shorter stretches, and fewer points. */
  readonly quick: boolean
  /** How often each server is measured at each point. */
  readonly repetitions: number
  readonly only: readonly TargetName[]
  readonly cores: Cores | null
  /** Node flags for the Weft server, for profiling it. */
  readonly weftExecArgv: readonly string[]
  readonly log: (text: string) => void
}

/** How a Weft server is started. */
export interface WeftOptions {
  /** `postgres` (default): a new database of the run's PostgreSQL. `embedded`: the built-in store. */
  readonly store?: 'postgres' | 'embedded'
  /** Keep the data of an earlier server: what it was started with. */
  readonly data?: WeftData
  /** The Redis through which it talks to other nodes on its database. */
  readonly redisUrl?: string
}

/** Where a Weft server keeps its rooms. */
export interface WeftData {
  readonly databaseUrl: string | null
  readonly dataDir: string
}

/** A running Weft server, as its two kinds of clients see it. */
export interface WeftServer {
  readonly weft: Target
  readonly yjs: Target
  readonly data: WeftData
  stop(): Promise<void>
}

/** A running server of others. */
export interface PeerServer extends OwnTarget {
  readonly name: PeerName
  /** Its PostgreSQL database, if it stores. */
  readonly databaseUrl: string | null
}

/** Two Weft nodes on one database and one Redis. */
export interface Cluster {
  readonly nodes: readonly [WeftServer, WeftServer]
  readonly redis: RedisServer
}

/** What scenarios need: servers to measure, and the size of the run. */
export class Bench {
  readonly quick: boolean
  readonly repetitions: number
  readonly log: (text: string) => void
  private readonly options: BenchOptions
  private readonly servers = new Set<ServerProcess>()
  private readonly folders: string[] = []
  private readonly complaints: string[] = []
  private database: Promise<Database> | null = null
  private redis: Promise<RedisServer> | null = null

  constructor(options: BenchOptions) {
    this.options = options
    this.quick = options.quick
    this.repetitions = options.repetitions
    this.log = options.log
  }

  /** Starts them all. One that cannot be installed or started is told of, and left out. */
  async startPeers(): Promise<PeerServer[]> {
    const started: PeerServer[] = []
    for (const name of this.peers) {
      try {
        started.push(await this.peer(name))
      } catch (error) {
        this.complain(name, error)
      }
    }
    return started
  }

  /** Notes for the scenario's report that a server of others took no part. */
  complain(name: PeerName, error: unknown): void {
    const text = error instanceof Error ? error.message : String(error)
    this.log(`${name}: ${text}`)
    this.complaints.push(`${name} took no part: ${text.split('\n')[0]!}`)
  }

  /** What has been noted since it was last asked. */
  takeComplaints(): string[] {
    return this.complaints.splice(0)
  }

  /** How often a server is measured at each point: those of others less often, or a run takes too long. */
  repetitionsOf(name: string): number {
    return isPeer(name) ? Math.max(1, this.repetitions - 1) : this.repetitions
  }

  wants(name: TargetName): boolean {
    return this.options.only.includes(name)
  }

  /** Whether the Weft server takes part: it must have been built. */
  get wantsWeft(): boolean {
    return (this.wants('weft') || this.wants('weft-yjs')) && existsSync(weftScript)
  }

  /** Starts the bare relay. @param state a Yjs update: answer sync steps from a cache instead of relaying */
  async bare(state?: Uint8Array): Promise<OwnTarget> {
    const env: Record<string, string> = {}
    if (state) {
      const file = join(await this.folder(), 'state')
      await writeFile(file, state)
      env['BARE_STATE'] = file
    }
    const server = await this.start(bareScript, [], [], env)
    const stop = (): Promise<void> => this.end(server)
    const syncs = state !== undefined
    const { port } = server
    return { name: 'bare', dialect: 'yjs', syncs, port, metricsPort: port, server, database: null, stop }
  }

  /** Those of the servers of others that the run wants. */
  get peers(): readonly PeerName[] {
    return peerNames.filter((name) => this.wants(name))
  }

  /**
   * Starts a server of others, installed if need be.
   * @param databaseUrl where it keeps its documents, if it stores: of an earlier server, to go on with its data
   */
  async peer(name: PeerName, databaseUrl?: string): Promise<PeerServer> {
    const { dialect, stores } = peers[name]
    const { script, node } = await installPeer(name, this.log)
    const database = stores ? await (this.database ??= startDatabase()) : null
    const url = database === null ? null : (databaseUrl ?? (await database.create()))
    const metricsPort = await freePort()
    const env: Record<string, string> = { HOST: '127.0.0.1', PROBE_PORT: String(metricsPort) }
    if (url !== null) env['DATABASE_URL'] = url
    const server = await this.start(script, [`--import=${probeScript}`], [], env, node)
    return {
      name,
      dialect,
      syncs: true,
      port: server.port,
      metricsPort,
      server,
      database: database?.postmaster ?? null,
      databaseUrl: url,
      stop: () => this.end(server),
    }
  }

  async weft(options: WeftOptions = {}): Promise<WeftServer> {
    const embedded = options.store === 'embedded'
    const database = embedded ? null : await (this.database ??= startDatabase())
    const data = options.data ?? {
      databaseUrl: database === null ? null : await database.create(),
      dataDir: await this.folder(),
    }
    // One writer stands for many: a limit for each connection would end the search for the most. The others have none either.
    const env: Record<string, string> = {
      HOST: '127.0.0.1',
      DATA_DIR: data.dataDir,
      MAX_FRAMES_PER_SECOND: '0',
      MAX_BYTES_PER_SECOND: '0',
    }
    if (data.databaseUrl !== null) env['DATABASE_URL'] = data.databaseUrl
    if (options.redisUrl !== undefined) env['REDIS_URL'] = options.redisUrl
    const server = await this.start(weftScript, this.options.weftExecArgv, ['start'], env)
    const common = {
      syncs: true,
      port: server.port,
      metricsPort: server.port,
      server,
      database: database?.postmaster ?? null,
    }
    const suffix = embedded ? ' (embedded)' : ''
    return {
      weft: { ...common, name: `weft${suffix}`, dialect: 'weft' },
      yjs: { ...common, name: `weft-yjs${suffix}`, dialect: 'yjs' },
      data,
      stop: () => this.end(server),
    }
  }

  /** Starts two nodes with a new database, and waits until they hear each other. */
  async cluster(): Promise<Cluster> {
    const redis = await (this.redis ??= startRedisServer())
    const first = await this.weft({ redisUrl: redis.url })
    const data = { ...first.data, dataDir: await this.folder() }
    const nodes = [first, await this.weft({ redisUrl: redis.url, data })] as const
    const deadline = performance.now() + busTimeoutMs
    for (const { weft } of nodes)
      while ((await scrape(weft.port)).get('weft_bus_healthy') !== 1) {
        if (performance.now() > deadline)
          throw new Error(`a node does not reach Redis:\n${weft.server.log()}`)
        await sleep(50)
      }
    return { nodes, redis }
  }

  private async start(
    script: string,
    execArgv: readonly string[],
    args: readonly string[],
    env: Readonly<Record<string, string>>,
    node: string | null = null,
  ): Promise<ServerProcess> {
    const { cores } = this.options
    const port = await freePort()
    const server = await startChild({ script, execArgv, args, env, node, port, cores, readyPath: '/readyz' })
    this.servers.add(server)
    return server
  }

  private async end(server: ServerProcess): Promise<void> {
    this.servers.delete(server)
    await server.stop()
  }

  private async folder(): Promise<string> {
    const path = await mkdtemp(join(tmpdir(), 'weft-bench-'))
    this.folders.push(path)
    return path
  }

  /** What the running servers have printed last: for the report of a failure. */
  logs(): string {
    return [...this.servers].map((server) => `server ${server.pid}:\n${server.log()}`).join('\n')
  }

  /** Ends every server that a scenario left running. PostgreSQL stays for the next one. */
  async endServers(): Promise<void> {
    await Promise.all([...this.servers].map((server) => this.end(server)))
  }

  async dispose(): Promise<void> {
    await this.endServers()
    if (this.database) await (await this.database).dispose()
    if (this.redis) await (await this.redis).dispose()
    for (const path of this.folders) await rm(path, { recursive: true, force: true })
  }
}
