import type { Target } from '../servers/target.js'
import { cpuBetween, cpuTime, databaseCpuMs, machineCpuMs, residentBytes } from './proc.js'

/** What a stretch of work cost. */
export interface Cost {
  /** CPU of the server's process (of all servers together, where there are several), in ms. */
  readonly serverCpuMs: number
  /** CPU of PostgreSQL's processes, in ms. */
  readonly databaseCpuMs: number
  /** The share of its core that the load generator used, 0 to 1: near 1, the generator is the limit. */
  readonly generatorShare: number
  /** What everything else on the machine used, in cores: much of it, and times (not CPU) mean little. */
  readonly othersShare: number
  /** Resident memory of the server, or of all, afterwards, in bytes. */
  readonly rss: number
}

/** Runs `work` and measures what it cost the target's server, or those of several targets that share a database. */
export const measure = async <T>(
  target: Target | readonly Target[],
  work: () => Promise<T>,
): Promise<{ result: T; cost: Cost }> => {
  const targets = [target].flat()
  const pids = targets.map(({ server }) => server.pid)
  const database = targets[0]?.database ?? null
  const own = process.cpuUsage()
  const start = performance.now()
  const databaseBefore = database === null ? 0 : databaseCpuMs(database)
  const machineBefore = machineCpuMs()
  const before = pids.map(cpuTime)
  const result = await work()
  const after = pids.map(cpuTime)
  const elapsedMs = performance.now() - start
  const used = process.cpuUsage(own)
  const serverCpuMs = after.reduce((sum, time, i) => sum + cpuBetween(before[i]!, time), 0)
  const generatorMs = (used.user + used.system) / 1000
  const databaseMs = database === null ? 0 : databaseCpuMs(database) - databaseBefore
  const others = machineCpuMs() - machineBefore - serverCpuMs - generatorMs - databaseMs
  return {
    result,
    cost: {
      serverCpuMs,
      databaseCpuMs: databaseMs,
      generatorShare: generatorMs / elapsedMs,
      othersShare: Math.max(0, others / elapsedMs),
      rss: pids.reduce((sum, pid) => sum + residentBytes(pid), 0),
    },
  }
}
