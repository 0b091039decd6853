import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Once for a run of the tests: a folder for what their files can share (`data-dir.ts`). */
export default async function setup(): Promise<() => Promise<void>> {
  const dir = await mkdtemp(join(tmpdir(), 'weft-tests-'))
  process.env['WEFT_TEST_SHARED_DIR'] = dir
  return () => rm(dir, { recursive: true, force: true })
}
