import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Cores } from './cores.js'

/** A server process under test. */
export interface ServerProcess {
  readonly pid: number
  readonly port: number
  /** The end of what it has printed. */
  log(): string
  /** SIGTERM, and SIGKILL when it does not end within 15 s. */
  stop(): Promise<void>
}

export interface ChildOptions {
  /** Flags of Node itself. */
  readonly execArgv?: readonly string[]
  /** Another Node than this process's. */
  readonly node?: string | null
  readonly script: string
  readonly args?: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly port: number
  readonly cores: Cores | null
  /** Answers 200 when the server takes connections. */
  readonly readyPath: string
}

const readyTimeoutMs = 60_000
const stopTimeoutMs = 15_000
const logBytes = 16 * 1024

const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** Starts a Node server on the server's core and waits until it is ready. */
export const startChild = async (options: ChildOptions): Promise<ServerProcess> => {
  const node = [
    options.node ?? process.execPath,
    ...(options.execArgv ?? []),
    options.script,
    ...(options.args ?? []),
  ]
  // taskset replaces itself with the server: the pid is the server's.
  const command = options.cores ? ['taskset', '-c', String(options.cores.server), ...node] : node
  const child = spawn(command[0]!, command.slice(1), {
    env: { PATH: process.env['PATH'], NODE_ENV: 'production', PORT: String(options.port), ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  running.add(child)
  let log = ''
  let ended = false
  const note = (text: string): void => {
    log = (log + text).slice(-logBytes)
  }
  child.stdout.setEncoding('utf8').on('data', note)
  child.stderr.setEncoding('utf8').on('data', note)
  const exit = once(child, 'exit').then(() => {
    ended = true
    running.delete(child)
  })
  const stop = async (): Promise<void> => {
    if (ended) return
    child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs)
    await exit
    clearTimeout(timer)
  }
  const deadline = performance.now() + readyTimeoutMs
  while (!(await answers(options.port, options.readyPath))) {
    if (child.exitCode !== null || child.signalCode !== null || performance.now() > deadline) {
      await stop()
      throw new Error(`${options.script} did not become ready:\n${log}`)
    }
    await sleep(30)
  }
  if (child.pid === undefined) throw new Error(`${options.script} has no pid`)
  return { pid: child.pid, port: options.port, log: () => log, stop }
}

const answers = async (port: number, path: string): Promise<boolean> => {
  try {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { signal: AbortSignal.timeout(2000) })
    await response.arrayBuffer()
    return response.ok
  } catch {
    return false
  }
}

/** A port of 127.0.0.1 that is free now. */
export const freePort = async (): Promise<number> => {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no TCP address')
  return address.port
}
