import { cp, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { openStore } from '../store/index.js'
import { makeTempDir, type TempDir } from './temp-dir.js'

/** A folder that all test files of a run share, made by `test-run.ts`; without it each database is made anew. */
const sharedDir = process.env['WEFT_TEST_SHARED_DIR']
const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }

/**
 * A data folder with an embedded database that holds nothing yet. To make one takes some seconds of CPU: the first of a test
 * run is made, the others are its copies.
 */
export async function makeDataDir(): Promise<TempDir> {
  const dir = await makeTempDir()
  if (sharedDir === undefined) return dir
  const template = join(sharedDir, 'embedded')
  try {
    await cp(template, dir.path, { recursive: true })
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
    const store = await openStore({ dataDir: dir.path, logger: silent })
    await store.close()
    await publish(dir, template)
  }
  return dir
}

/** Under its name only when it is whole. Two files may do this at once: the second's copy goes unused. */
async function publish(dir: TempDir, template: string): Promise<void> {
  const copy = `${template}-${process.pid}`
  await cp(dir.path, copy, { recursive: true })
  try {
    await rename(copy, template)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOTEMPTY')) throw error
  }
}
