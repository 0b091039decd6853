/* nginx and HAProxy with the configurations that are shipped, on a free port in front of nodes of a test. */
import { execFile, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants } from 'node:fs'
import { copyFile, readFile, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { freePort, makeTempDir, until } from '../../src/testing/index.js'

export interface Balancer {
  readonly port: number
  /** What it has logged of requests. */
  accessLog(): Promise<string>
  stop(): Promise<void>
}

const shipped = (name: string): string => fileURLToPath(new URL(`../${name}`, import.meta.url))

const findProgram = (name: string): string | null => {
  // Daemons are in sbin, which is not on everybody's PATH.
  for (const folder of [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin']) {
    const path = join(folder, name)
    try {
      accessSync(path, constants.X_OK)
      return path
    } catch {
      // Not here.
    }
  }
  return null
}

/**
 * The path of a program. Where there is none and the tests run as root on a Debian, its package is installed.
 * @throws {Error} that says how to install it
 */
export const program = (name: string, debianPackage: string): string => {
  const found = findProgram(name)
  if (found !== null) return found
  let reason: unknown = 'the tests do not run as root'
  if (process.getuid?.() === 0) {
    try {
      const options = { stdio: 'ignore', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } } as const
      execFileSync('apt-get', ['update'], options)
      execFileSync('apt-get', ['install', '-y', '--no-install-recommends', debianPackage], options)
    } catch (error) {
      reason = error
    }
    const installed = findProgram(name)
    if (installed !== null) return installed
  }
  throw new Error(
    `The tests of the deploy files need ${name}: \`apt-get install ${debianPackage}\` on Debian.`,
    {
      cause: reason,
    },
  )
}

interface Foreground {
  readonly output: () => string
  stop(): Promise<void>
}

/**
 * Runs a program that stays in the foreground, under a shell that ends it when its own standard input closes: however this
 * process goes, no master with its workers stays behind.
 */
const foreground = (command: readonly string[], env: Readonly<Record<string, string>>): Foreground => {
  const script = '"$@" & child=$!; read _; kill -TERM $child; wait $child'
  const child = spawn('/bin/sh', ['-c', script, 'sh', ...command], {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text))
  const gone = once(child, 'close')
  return {
    output: () => output,
    stop: async () => {
      child.stdin.end()
      await gone
    },
  }
}

const untilServing = (port: number, running: Foreground): Promise<void> =>
  until(async () => {
    try {
      await fetch(`http://127.0.0.1:${port}/healthz`)
      return true
    } catch {
      // Not yet.
      return false
    }
  }, 'the balancer answers').catch(async (error: unknown) => {
    await running.stop()
    throw new Error(`the balancer did not start: ${running.output()}`, { cause: error })
  })

/** @returns the folder with the shipped nginx.conf, and the two files beside it that differ from place to place */
const nginxFolder = async (
  port: number,
  nodes: readonly number[],
): Promise<Awaited<ReturnType<typeof makeTempDir>>> => {
  // The workers run as another user.
  const dir = await makeTempDir('weft-nginx-', 0o755)
  await copyFile(shipped('nginx/nginx.conf'), join(dir.path, 'nginx.conf'))
  // The shipped list with other addresses: its parameters are under test too.
  const list = (await readFile(shipped('nginx/nodes.conf'), 'utf8')).trim().split('\n')
  const lines = nodes.map((node, i) => list[i % list.length]?.replace(/weft-\d+:4400/, `127.0.0.1:${node}`))
  await writeFile(join(dir.path, 'nodes.conf'), lines.join('\n'))
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  const site = [
    `listen 127.0.0.1:${port};`,
    'access_log access.log weft;',
    ...paths.map((name) => `${name}_temp_path ${name}_temp;`),
  ]
  await writeFile(join(dir.path, 'site.conf'), site.join('\n'))
  return dir
}

const nginxCommand = (dir: string): string[] => [
  program('nginx', 'nginx-light'),
  '-e',
  'stderr',
  '-p',
  dir,
  '-c',
  join(dir, 'nginx.conf'),
  '-g',
  'daemon off; pid nginx.pid;',
]

/** `nginx -t`. @throws {Error} with what it found */
export const checkNginx = async (): Promise<void> => {
  const dir = await nginxFolder(await freePort(), [1, 2, 3])
  try {
    const [command = '', ...args] = nginxCommand(dir.path)
    await promisify(execFile)(command, [...args, '-t'])
  } finally {
    await dir.remove()
  }
}

export const startNginx = async (nodes: readonly number[]): Promise<Balancer> => {
  const port = await freePort()
  const dir = await nginxFolder(port, nodes)
  const running = foreground(nginxCommand(dir.path), {})
  await untilServing(port, running)
  return {
    port,
    accessLog: () => readFile(join(dir.path, 'access.log'), 'utf8'),
    stop: async () => {
      await running.stop()
      await dir.remove()
    },
  }
}

/** `haproxy -c`, with the defaults of the file. @throws {Error} with what it found */
export const checkHaproxy = async (): Promise<void> => {
  await promisify(execFile)(program('haproxy', 'haproxy'), ['-c', '-f', shipped('haproxy.cfg')])
}

export const startHaproxy = async (nodes: readonly number[]): Promise<Balancer> => {
  const port = await freePort()
  const env: Record<string, string> = { WEFT_BIND: `127.0.0.1:${port}` }
  // Three places: what is left over stays empty of a node, on a port that refuses.
  for (const i of [0, 1, 2]) env[`WEFT_NODE_${i + 1}`] = `127.0.0.1:${nodes[i] ?? 1}`
  const running = foreground([program('haproxy', 'haproxy'), '-db', '-f', shipped('haproxy.cfg')], env)
  await untilServing(port, running)
  return { port, accessLog: () => Promise.resolve(running.output()), stop: () => running.stop() }
}
