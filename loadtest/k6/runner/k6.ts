import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { bundles, k6Cache } from './folders.js'

const isProgram = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/**
 * @returns the path of k6: `K6`, or on the PATH, or in the cache folder
 * @throws with a sentence that says how to get it
 */
export const findK6 = (): string => {
  const given = process.env['K6']
  const places = given
    ? [given]
    : [...(process.env['PATH'] ?? '').split(delimiter), k6Cache].map((folder) => join(folder, 'k6'))
  const found = places.find(isProgram)
  if (found === undefined)
    throw new Error(
      `k6 is neither on the PATH nor in ${k6Cache}: get it with GOBIN=${k6Cache} go install go.k6.io/k6@v1.8.1, or set K6 to its path.`,
    )
  return found
}

const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

export interface K6Run {
  readonly script: string
  readonly flags: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** Whether its output goes to this process's; otherwise it is returned. */
  readonly isShown: boolean
}

/** Runs a script. @returns k6's exit code: 0, 99 when a threshold failed, others when it could not run */
export const runK6 = async ({
  script,
  flags,
  env,
  isShown,
}: K6Run): Promise<{ code: number; output: string }> => {
  // Without its HTTP API, whose port is one for all runs of a machine.
  const args = ['run', '--no-usage-report', '--address=', ...flags, join(bundles, `${script}.js`)]
  const child = spawn(findK6(), args, {
    env: { ...process.env, ...env },
    stdio: isShown ? 'inherit' : ['ignore', 'pipe', 'pipe'],
  })
  running.add(child)
  let output = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (output += text))
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (output += text))
  await once(child, 'close')
  running.delete(child)
  return { code: child.exitCode ?? 1, output }
}
