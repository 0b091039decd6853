import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { makeTempDir, type TempDir } from './testing/temp-dir.js'

/* What server/scripts/check-supply-chain.mjs, which .ci/run runs, lets through. */

const script = fileURLToPath(new URL('../scripts/check-supply-chain.mjs', import.meta.url))
const good = { version: '1.0.0', license: 'MIT', integrity: `sha512-${'A'.repeat(86)}==` }

let dir: TempDir
beforeEach(async () => {
  dir = await makeTempDir()
})
afterEach(() => dir.remove())

/** What it prints to stderr; '' when all is well. */
const check = async (entry: Readonly<Record<string, unknown>>): Promise<string> => {
  const lockfile = join(dir.path, 'package-lock.json')
  const packages = { '': {}, 'node_modules/good': good, 'node_modules/x': entry }
  await writeFile(lockfile, JSON.stringify({ lockfileVersion: 3, packages }))
  return await new Promise((resolve) => {
    execFile(process.execPath, [script, lockfile], (error, _stdout, stderr) => {
      resolve(error === null ? '' : stderr.trim())
    })
  })
}

test.each([
  ['a pinned package', good, ''],
  ['one of the registry', { ...good, resolved: 'https://registry.npmjs.org/x/-/x-1.0.0.tgz' }, ''],
  ['a choice of licences', { ...good, license: '(GPL-3.0 OR MIT)' }, ''],
  ['another licence of a tool', { ...good, license: 'MPL-2.0', dev: true }, ''],
  ['no hash', { ...good, integrity: undefined }, /x has no SHA-512 integrity/],
  ['a weak hash', { ...good, integrity: 'sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=' }, /x has no SHA-512 integrity/],
  ['a tool without a hash', { ...good, integrity: undefined, dev: true }, /x has no SHA-512 integrity/],
  ['another host', { ...good, resolved: 'https://example.com/x.tgz' }, /resolved from elsewhere/],
  ['a repository', { ...good, resolved: 'git+ssh://git@github.com/a/x.git#1' }, /resolved from elsewhere/],
  ['another licence', { ...good, license: 'AGPL-3.0' }, /the licence AGPL-3\.0/],
  ['half of two licences', { ...good, license: 'MIT AND GPL-3.0' }, /the licence MIT AND GPL/],
  ['no licence', { ...good, license: undefined }, /names no licence/],
  ['a script at install', { ...good, hasInstallScript: true }, /runs a script/],
])('the lockfile: %s', async (_name, entry, problem) => {
  const printed = await check(entry)
  if (problem instanceof RegExp) expect(printed).toMatch(problem)
  else expect(printed).toBe('')
})
