import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { workerUrl } from '../worker-url.js'
import { freePort } from './postgres.js'
import { until } from './until.js'

/** A server in a process of its own, which a test may kill and start again on the same port. */
export interface ServerProcess {
  readonly port: number
  /** `ws://127.0.0.1:port` */
  readonly url: string
  /** What all its lives have printed. */
  readonly log: string
  /** Starts it, if it does not run. Resolves when it runs, not when it serves. */
  spawn(): void
  /** Resolves when it answers requests. */
  untilUp(): Promise<void>
  /** SIGKILL, at whatever it does. */
  kill(): Promise<void>
  /** SIGSTOP: it stands still with everything open, until `resume`. */
  pause(): void
  /** SIGCONT. */
  resume(): void
  /** SIGTERM. @returns the exit code, null when a signal ended it */
  terminate(): Promise<number | null>
  /** The sum of a metric over those of its labels that contain `label`. */
  metric(name: string, label?: string): Promise<number>
}

/** They do not outlive the test, however that ends. */
const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** @param env settings, e.g. `DATABASE_URL` */
export const serverProcess = async (env: Readonly<Record<string, string>>): Promise<ServerProcess> => {
  const port = await freePort()
  const main = fileURLToPath(workerUrl('../main.js', import.meta.url))
  let child: ChildProcess | null = null
  let log = ''

  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    const running = child
    if (running === null) return null
    const gone = once(running, 'close')
    running.kill(signal)
    await gone
    return running.exitCode
  }

  return {
    port,
    url: `ws://127.0.0.1:${port}`,
    get log() {
      return log
    },
    spawn() {
      if (child !== null) return
      // Most live for a second or two: to compile PGlite's hot functions again, and better, takes longer than it saves.
      const started = spawn(process.execPath, ['--liftoff-only', main, 'start'], {
        env: {
          PATH: process.env['PATH'],
          NODE_ENV: 'production',
          PLAYGROUND: 'false',
          DOC_WORKERS: '1',
          ...env,
          PORT: String(port),
        },
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      child = started
      running.add(started)
      const note = (text: string): void => void (log = (log + text).slice(-64 * 1024))
      started.stdout.setEncoding('utf8').on('data', note)
      started.stderr.setEncoding('utf8').on('data', note)
      started.once('close', () => {
        running.delete(started)
        if (child === started) child = null
      })
    },
    untilUp: () =>
      until(
        async () => {
          if (child === null) throw new Error(`the server stopped:\n${log}`)
          try {
            return (await fetch(`http://127.0.0.1:${port}/healthz`)).ok
          } catch {
            // Not yet.
            return false
          }
        },
        'the server answers',
        60_000,
      ),
    kill: async () => {
      await end('SIGKILL')
    },
    pause: () => void child?.kill('SIGSTOP'),
    resume: () => void child?.kill('SIGCONT'),
    terminate: () => end('SIGTERM'),
    metric: async (name, label = '') => {
      const response = await fetch(`http://127.0.0.1:${port}/metrics`)
      let sum = 0
      for (const line of (await response.text()).split('\n')) {
        const match = /^(\w+)(\{[^}]*\})? (\S+)$/.exec(line)
        if (match?.[1] === name && (match[2] ?? '').includes(label)) sum += Number(match[3])
      }
      return sum
    },
  }
}
