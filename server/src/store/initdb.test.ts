import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { makeTempDir, type TempDir } from '../testing/temp-dir.js'
import { until } from '../testing/until.js'
import { workerUrl } from '../worker-url.js'
import { openStore } from './open.js'

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }
const program = `
  const { openStore } = await import(process.argv[1])
  const logger = { info() {}, warn() {}, error() {} }
  await openStore({ dataDir: process.argv[2], logger })`

let dir: TempDir
beforeEach(async () => {
  dir = await makeTempDir()
})
afterEach(() => dir.remove())

/** Opens the store in a process that leads a group, to be killed with what it has started. */
const open = (): ChildProcess =>
  spawn(
    process.execPath,
    ['--input-type=module', '-e', program, workerUrl('./open.js', import.meta.url).href, dir.path],
    { stdio: 'inherit', detached: true },
  )

/** Whether something of that name is anywhere in the data folder. */
const has = (name: string) => async (): Promise<boolean> => {
  // What goes while it is listed is not there.
  const entries = await readdir(dir.path, { recursive: true }).catch(() => [])
  return entries.some((entry) => entry.endsWith(name))
}

test('I8: after first starts that were killed while they made their database the next one opens it, and nothing else is left', async () => {
  // As its folder is made; when its first file is there, and its last.
  for (const sign of ['pg', 'PG_VERSION', join('global', 'pg_control')]) {
    const child = open()
    await until(has(sign), `${sign} is there`)
    process.kill(-child.pid!, 'SIGKILL')
    await once(child, 'close')
  }
  const store = await openStore({ dataDir: dir.path, logger: silent })
  expect(await store.openRoom('t', 'r')).toMatchObject({ headSeq: 0 })
  await store.close()
  expect(await readdir(dir.path)).toEqual(['pg'])
})
