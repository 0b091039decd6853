import { execFileSync } from 'node:child_process'
import { availableParallelism } from 'node:os'

/** Which core the server under test has, and which the rest (load generator, PostgreSQL). */
export interface Cores {
  readonly server: number
  readonly rest: number
}

/**
 * Gives this process, and with it what it starts, a core of its own.
 * @returns null where that cannot be done (one core, no `taskset`): figures are noisier there
 */
export const pinSelf = (): Cores | null => {
  if (process.platform !== 'linux' || availableParallelism() < 2) return null
  const cores = { server: 0, rest: 1 }
  try {
    execFileSync('taskset', ['-a', '-p', '-c', String(cores.rest), String(process.pid)], { stdio: 'ignore' })
    return cores
  } catch {
    return null
  }
}
