import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A folder of its own for one test; `remove` deletes it with everything in it. */
export interface TempDir {
  readonly path: string
  remove(): Promise<void>
}

/**
 * Makes a new, empty folder in the system's temporary folder.
 * @param prefix the beginning of its name
 * @param mode its permissions; by default nobody else may enter it
 */
export async function makeTempDir(prefix = 'weft-test-', mode = 0o700): Promise<TempDir> {
  const path = await mkdtemp(join(tmpdir(), prefix))
  await chmod(path, mode)
  return { path, remove: () => rm(path, { recursive: true, force: true, maxRetries: 5 }) }
}
