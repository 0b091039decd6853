import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { Socket } from 'node:net'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import type { Certificates } from './certificates.js'
import { freePort } from './postgres.js'
import { makeTempDir } from './temp-dir.js'

/** A real Redis of a test's own, which the test may kill, freeze and start again. It keeps nothing. */
export interface TestRedis {
  /** `redis://127.0.0.1:port` */
  readonly url: string
  readonly port: number
  /** SIGKILL. Resolves when it is gone. */
  kill(): Promise<void>
  /** SIGSTOP: connections stay open and nothing answers. */
  stop(): void
  /** SIGCONT after `stop`. */
  cont(): void
  /** Starts it, empty, on the same port after `kill`. Resolves when it answers. */
  restart(): Promise<void>
  /** Kills it for good. */
  dispose(): Promise<void>
}

export interface StartRedisOptions {
  /** A cluster of one node, which has all slots; or a member of one that is made later, which has none yet. */
  readonly cluster?: boolean | 'member'
  /** A port that nobody listens on; one is found by default. */
  readonly port?: number
  /** Only finds the port: it runs from the first `restart` on. */
  readonly down?: boolean
  /** Speaks TLS alone, with these certificates: see `makeCertificates`. */
  readonly tls?: Certificates
  /** Lets in this user alone: letters and digits. */
  readonly user?: { readonly name: string; readonly password: string }
  /** Watches masters instead of holding data. */
  readonly sentinel?: boolean
  /** Further lines of its configuration. */
  readonly config?: readonly string[]
}

interface Connection {
  readonly host: string
  readonly port: number
  readonly username?: string
  readonly password?: string
  readonly tls?: { readonly ca: string }
}

/** They do not outlive the test. One killed with SIGKILL runs nothing more: `watch` below. */
const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

const readyTimeoutMs = 15_000

/** Starts the `redis-server` on the PATH. It does not outlive the test process. */
export async function startRedis(options: StartRedisOptions = {}): Promise<TestRedis> {
  installed()
  const { tls, user } = options
  const dir = await makeTempDir('weft-redis-')
  const port = options.port ?? (await freePort())
  const config = join(dir.path, 'redis.conf')
  await writeFile(config, [...(await configOf(options, port)), ''].join('\n'))
  const connection: Connection = {
    host: '127.0.0.1',
    port,
    ...(user === undefined ? {} : { username: user.name, password: user.password }),
    ...(tls === undefined ? {} : { tls: { ca: tls.ca } }),
  }
  let server: ChildProcess | null = null
  let log = ''
  const start = async (): Promise<void> => {
    if (server) throw new Error('this Redis runs already')
    const args = options.sentinel === true ? [config, '--sentinel'] : [config]
    const child = spawn('redis-server', args, { cwd: dir.path, stdio: ['ignore', 'pipe', 'ignore'] })
    server = child
    running.add(child)
    log = ''
    const stopWatching = child.pid === undefined ? () => undefined : watch(child.pid)
    child.stdout.setEncoding('utf8').on('data', (text: string) => (log = (log + text).slice(-4000)))
    child.once('exit', () => {
      stopWatching()
      running.delete(child)
      if (server === child) server = null
    })
    await untilReady(connection, options.cluster === true, () => (server === child ? null : log))
  }
  const kill = async (): Promise<void> => {
    if (!server) return
    const gone = once(server, 'exit')
    server.kill('SIGKILL')
    await gone
  }

  if (options.down !== true) await start()
  const access = user === undefined ? '' : `${user.name}:${user.password}@`
  return {
    url: `${tls === undefined ? 'redis' : 'rediss'}://${access}127.0.0.1:${port}`,
    port,
    kill,
    stop: () => void server?.kill('SIGSTOP'),
    cont: () => void server?.kill('SIGCONT'),
    restart: async () => {
      await kill()
      await start()
    },
    dispose: async () => {
      await kill()
      await dir.remove()
    },
  }
}

async function configOf(options: StartRedisOptions, port: number): Promise<string[]> {
  const { tls, user, cluster = false } = options
  const lines = ['bind 127.0.0.1', ...(options.sentinel === true ? [] : ['save ""', 'appendonly no'])]
  if (tls === undefined) lines.push(`port ${port}`)
  else {
    lines.push('port 0', `tls-port ${port}`, 'tls-auth-clients no')
    lines.push(
      `tls-ca-cert-file ${tls.caFile}`,
      `tls-cert-file ${tls.certFile}`,
      `tls-key-file ${tls.keyFile}`,
    )
  }
  if (user !== undefined) lines.push(`user ${user.name} on >${user.password} ~* &* +@all`, 'user default off')
  if (cluster !== false)
    lines.push('cluster-enabled yes', 'cluster-announce-ip 127.0.0.1', `cluster-port ${await freePort()}`)
  return [...lines, ...(options.config ?? [])]
}

/** @throws {Error} when there is none and it cannot be installed */
function installed(): void {
  const isThere = (): boolean => {
    try {
      execFileSync('redis-server', ['--version'], { stdio: 'ignore' })
      return true
    } catch {
      return false
    }
  }
  if (isThere()) return
  if (process.getuid?.() === 0) {
    try {
      execFileSync('apt-get', ['install', '-y', 'redis-server'], { stdio: 'ignore' })
    } catch {
      // Told below.
    }
    if (isThere()) return
  }
  throw new Error('these tests need redis-server 7 or newer on the PATH: install the package redis-server.')
}

/**
 * A tiny process that ends the server when this one is gone, however it went: its standard input closes then.
 * @returns ends the watch (the pid may soon be another process's)
 */
function watch(pid: number): () => void {
  const watcher = spawn('/bin/sh', ['-c', `read _; kill -KILL ${pid}`], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
  watcher.unref()
  // The pipe must not keep this process alive. It is a socket, which the type does not say.
  if (watcher.stdin instanceof Socket) watcher.stdin.unref()
  return () => void watcher.kill('SIGKILL')
}

async function untilReady(
  connection: Connection,
  cluster: boolean,
  failure: () => string | null,
): Promise<void> {
  const redis = new Redis({ ...connection, retryStrategy: () => 20, maxRetriesPerRequest: null })
  redis.on('error', () => undefined)
  const deadline = Date.now() + readyTimeoutMs
  const failed = (): string | null =>
    failure() ?? (Date.now() > deadline ? `it does not answer on port ${connection.port}` : null)
  const isReady = async (): Promise<boolean> => {
    if (redis.status !== 'ready') return false
    if (!cluster) return true
    return (await redis.cluster('INFO')).includes('cluster_state:ok')
  }
  let assigned = false
  try {
    while (!(await isReady())) {
      const reason = failed()
      if (reason !== null) throw new Error(`Redis stopped at its start: ${reason}`)
      if (cluster && !assigned && redis.status === 'ready') {
        await redis.call('cluster', 'addslotsrange', '0', '16383')
        assigned = true
      }
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  } finally {
    redis.disconnect()
  }
}
