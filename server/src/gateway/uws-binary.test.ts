import { createHash } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { makeTempDir, type TempDir } from '../testing/temp-dir.js'
import { distrust, findUwsBinary, type UwsBinary } from './uws-binary.js'

const file = `uws_${process.platform}_${process.arch}_${process.versions.modules}.node`

let dir: TempDir
beforeEach(async () => {
  dir = await makeTempDir()
})
afterEach(() => dir.remove())

/** A package with a binary that says `content`. */
const install = async (
  manifest: Readonly<Record<string, string>>,
  folder: string,
  content: string,
): Promise<UwsBinary> => {
  const root = join(dir.path, 'uWebSockets.js')
  await mkdir(join(root, folder), { recursive: true })
  await writeFile(join(root, 'package.json'), JSON.stringify(manifest))
  await writeFile(join(root, folder, file), content)
  const binary = findUwsBinary([join(dir.path, 'empty'), dir.path])
  if (binary === null) throw new Error('there is no binary')
  return binary
}

test('I8: the binary that is installed is the one of the table', () => {
  const binary = findUwsBinary()
  expect(binary).toMatchObject({ sha256: binary?.expected })
})

test('I8: a binary that was changed is not loaded, and the sentence says what to do', async () => {
  const binary = await install({ name: 'uws-pack', version: '20.0.8' }, 'dist/bin', 'changed')
  expect(distrust(binary, undefined)).toMatch(
    /has the SHA-256 [0-9a-f]{64}, and the one of uws-pack 20\.0\.8 .*npm ci/,
  )
})

test.each([
  ['the official release', { name: 'uWebSockets.js', version: '20.52.0' }, ''],
  ['another repack', { name: 'uws-pack', version: '20.1.0' }, 'dist/bin'],
])('I8: %s is loaded once its hash is a setting, and only as it is', async (_name, manifest, folder) => {
  const binary = await install(manifest, folder, 'official')
  const hash = createHash('sha256').update('official').digest('hex')
  expect(distrust(binary, undefined)).toContain(`SHA-256 ${hash}`)
  expect(distrust(binary, undefined)).toContain('set UWS_SHA256')
  expect(distrust(binary, hash)).toBeNull()
  expect(distrust(binary, 'f'.repeat(64))).toContain('UWS_SHA256 is another')
})

test('without a binary for this Node there is nothing to compare: loading it says so', () => {
  expect(findUwsBinary([dir.path])).toBeNull()
})
