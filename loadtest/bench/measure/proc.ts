/*
 * CPU time and memory of processes, as Linux counts them (proc(5)).
 */
import { execFileSync } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'

const ticksPerSecond = (): number => {
  try {
    return Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' })) || 100
  } catch {
    return 100
  }
}
const tickMs = 1000 / ticksPerSecond()

/** The fields of /proc/<pid>/stat from the third on (the second, a name in brackets, may hold spaces). */
const statFields = (pid: number | string): string[] => {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
}

/** CPU time of a process so far. */
export interface CpuTime {
  /** utime + stime of all its threads, ended ones too; exact to a tick (10 ms). */
  readonly statMs: number
  /** The scheduler's own count for the threads that live, exact to the nanosecond; NaN where the kernel keeps none. */
  readonly schedMs: number
}

export const cpuTime = (pid: number): CpuTime => {
  const fields = statFields(pid)
  let schedNs = 0
  try {
    for (const task of readdirSync(`/proc/${pid}/task`)) {
      schedNs += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0])
    }
  } catch {
    schedNs = NaN
  }
  return { statMs: (Number(fields[11]) + Number(fields[12])) * tickMs, schedMs: schedNs / 1e6 }
}

/** How many files and sockets this process, and what it starts, may have open. */
export const openFilesLimit = (): number =>
  Number(/^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? Infinity)

/** CPU time of a process's main thread so far, in ms: of a Node server, its event loop. NaN where the kernel keeps none. */
export const mainThreadCpuMs = (pid: number): number => {
  try {
    return Number(readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1e6
  } catch {
    return NaN
  }
}

/**
 * CPU time between two readings, in ms. The scheduler's count is the finer one, but loses what ended threads used: where the
 * two differ by more than the coarse one's ticks, that one holds.
 */
export const cpuBetween = (before: CpuTime, after: CpuTime): number => {
  const coarse = after.statMs - before.statMs
  const fine = after.schedMs - before.schedMs
  return Math.abs(coarse - fine) <= 2.5 * tickMs ? fine : coarse
}

/** CPU time of PostgreSQL in ms: the postmaster, its children, and those that have ended. */
export const databaseCpuMs = (postmaster: number): number => {
  let ticks = 0
  const own = statFields(postmaster)
  for (const field of [11, 12, 13, 14]) ticks += Number(own[field])
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    try {
      const fields = statFields(entry)
      if (Number(fields[1]) === postmaster) ticks += Number(fields[11]) + Number(fields[12])
    } catch {
      // It ended between the listing and the read.
      continue
    }
  }
  return ticks * tickMs
}

/** Resident memory of a process, in bytes. */
export const residentBytes = (pid: number): number => {
  const kilobytes = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Number(kilobytes ?? NaN) * 1024
}

/** This process's children of that name. */
export const childrenNamed = (name: string): number[] => {
  const found: number[] = []
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    try {
      const isChild = Number(statFields(entry)[1]) === process.pid
      if (isChild && readFileSync(`/proc/${entry}/comm`, 'utf8').trim() === name) found.push(Number(entry))
    } catch {
      continue
    }
  }
  return found
}

/** CPU time that all processes of the machine have used together, in ms. */
export const machineCpuMs = (): number => {
  const [, user, nice, system, , , irq, softirq] = readFileSync('/proc/stat', 'utf8')
    .split('\n')[0]!
    .split(/\s+/)
  return [user, nice, system, irq, softirq].reduce((sum, ticks) => sum + Number(ticks), 0) * tickMs
}
