import { randomUUID } from 'node:crypto'
import { readFileSync, unlinkSync } from 'node:fs'
import { link, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { StoreStartError } from './errors.js'

/** The lock that this process holds on a data folder. */
export interface DataDirLock {
  release(): void
}

/** Who holds a lock. Enough to tell whether it still runs, and that a pid was not given to another process since. */
interface Owner {
  readonly token: string
  readonly pid: number
  readonly host: string
  /** When the process started, in clock ticks since the boot; null where /proc does not say. */
  readonly started: string | null
  readonly boot: string | null
}

/** How often the holder touches the file, and how long an untouched one of another host is believed, in ms. */
const touchMs = 2000
const foreignSilenceMs = 3 * touchMs

/** Locks of this very process: pids cannot tell two stores in one process apart. */
const held = new Set<string>()

/**
 * Locks a data folder against a second process (two PGlite instances on one folder destroy it).
 * The lock of a process that is gone is taken over: by pid and start time on this host; on another host (or
 * container) by watching, for 6 s, whether the holder still touches it.
 * @throws {StoreStartError} when it is taken
 */
export async function lockDataDir(dataDir: string): Promise<DataDirLock> {
  const path = join(dataDir, 'weft.lock')
  const owner: Owner = {
    token: randomUUID(),
    pid: process.pid,
    host: hostname(),
    started: startOf(process.pid),
    boot: bootId(),
  }
  const draft = `${path}.${owner.token}`
  await writeFile(draft, JSON.stringify(owner), { mode: 0o600 })
  try {
    for (;;) {
      // Linking is atomic, and the file is whole from its first moment.
      if (await linked(draft, path)) break
      const other = await readOwner(path)
      if (other === null) continue
      if (await holds(other, path)) {
        throw new StoreStartError(
          `DATA_DIR ${dataDir} is in use by process ${other.pid} on ${other.host}: stop it, or give this one ` +
            'another DATA_DIR.',
        )
      }
      await takeAway(path, other)
    }
  } finally {
    await rm(draft, { force: true })
  }
  held.add(owner.token)
  const touch = setInterval(() => {
    const now = new Date()
    // A failure only makes the lock look old to another host.
    utimes(path, now, now).catch(() => undefined)
  }, touchMs)
  touch.unref()
  return {
    release() {
      clearInterval(touch)
      if (!held.delete(owner.token)) return
      try {
        if (parseOwner(readFileSync(path, 'utf8'))?.token === owner.token) unlinkSync(path)
      } catch (error) {
        if (!hasCode(error, 'ENOENT')) throw error
      }
    },
  }
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to)
    return true
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false
    throw error
  }
}

async function readOwner(path: string): Promise<Owner | null> {
  try {
    // One that cannot be read was not written by Weft as it is now: nobody's.
    return (
      parseOwner(await readFile(path, 'utf8')) ?? { token: '', pid: 0, host: '', started: null, boot: null }
    )
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return null
    throw error
  }
}

function parseOwner(text: string): Owner | null {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null) return null
    const { token, pid, host, started, boot } = value as Record<string, unknown>
    if (typeof token !== 'string' || typeof pid !== 'number' || typeof host !== 'string') return null
    return {
      token,
      pid,
      host,
      started: typeof started === 'string' ? started : null,
      boot: typeof boot === 'string' ? boot : null,
    }
  } catch {
    // Not JSON: cut off by a power failure.
    return null
  }
}

async function holds(owner: Owner, path: string): Promise<boolean> {
  if (owner.pid === 0) return false
  if (owner.host !== hostname()) return isTouched(path)
  if (owner.pid === process.pid) return held.has(owner.token)
  if (owner.boot !== null && owner.boot !== bootId()) return false
  if (!isAlive(owner.pid)) return false
  const started = startOf(owner.pid)
  return owner.started === null || started === null || owner.started === started
}

/** The pids of another host, or of another container, say nothing here. */
async function isTouched(path: string): Promise<boolean> {
  try {
    const before = (await stat(path)).mtimeMs
    await delay(foreignSilenceMs)
    return (await stat(path)).mtimeMs !== before
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return false
    throw error
  }
}

/** Moves a dead owner's lock away. When two processes do so at once, the second puts back what it took. */
async function takeAway(path: string, dead: Owner): Promise<void> {
  const aside = `${path}.${randomUUID()}`
  try {
    await rename(path, aside)
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return
    throw error
  }
  const taken = await readOwner(aside)
  if (taken !== null && taken.token !== dead.token) await linked(aside, path)
  await rm(aside, { force: true })
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return hasCode(error, 'EPERM')
  }
}

function startOf(pid: number): string | null {
  try {
    const status = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name, in brackets, may hold spaces; the start time is the 20th field after it.
    return status.slice(status.lastIndexOf(')') + 2).split(' ')[19] ?? null
  } catch {
    // No /proc (macOS), or the process just ended.
    return null
  }
}

function bootId(): string | null {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    // No /proc.
    return null
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
