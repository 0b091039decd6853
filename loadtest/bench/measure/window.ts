import type { Target } from '../servers/target.js'
import { cpuBetween, cpuTime, databaseCpuMs, machineCpuMs, residentBytes } from './proc.js'

/** What a stretch of work cost. */
export interface Cost {
  /** CPU of the server's process, in ms. */
  readonly serverCpuMs: number
  /** CPU of PostgreSQL's processes, in ms. */
  readonly databaseCpuMs: number
  /** The share of its core that the load generator used, 0 to 1: near 1, the generator is the limit. */
  readonly generatorShare: number
  /** What everything else on the machine used, in cores: much of it, and times (not CPU) mean little. */
  readonly othersShare: number
  /** Resident memory of the server afterwards, in bytes. */
  readonly rss: number
}

/** Runs `work` and measures what it cost the target's server. */
export const measure = async <T>(
  target: Target,
  work: () => Promise<T>,
): Promise<{ result: T; cost: Cost }> => {
  const { pid } = target.server
  const own = process.cpuUsage()
  const start = performance.now()
  const databaseBefore = target.database === null ? 0 : databaseCpuMs(target.database)
  const machineBefore = machineCpuMs()
  const before = cpuTime(pid)
  const result = await work()
  const after = cpuTime(pid)
  const elapsedMs = performance.now() - start
  const used = process.cpuUsage(own)
  const serverCpuMs = cpuBetween(before, after)
  const generatorMs = (used.user + used.system) / 1000
  const databaseMs = target.database === null ? 0 : databaseCpuMs(target.database) - databaseBefore
  const others = machineCpuMs() - machineBefore - serverCpuMs - generatorMs - databaseMs
  return {
    result,
    cost: {
      serverCpuMs,
      databaseCpuMs: databaseMs,
      generatorShare: generatorMs / elapsedMs,
      othersShare: Math.max(0, others / elapsedMs),
      rss: residentBytes(pid),
    },
  }
}
