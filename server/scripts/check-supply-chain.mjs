/*
 * What the server and the SDK are made of: the lockfile pins every package by its hash, nothing comes from elsewhere than the
 * registry, and the licences of what is shipped are on a list. Known advisories, where the registry answers.
 *
 * node server/scripts/check-supply-chain.mjs [lockfile]
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'

const allowed = [
  'MIT',
  'ISC',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'Apache-2.0',
  '0BSD',
  'Unlicense',
  'BlueOak-1.0.0',
]
/** Where packages may be resolved from, if the lockfile says it at all (.npmrc leaves the registry out). */
const registries = /^https:\/\/registry\.npmjs\.org\//

const lockfile = resolve(process.argv[2] ?? 'package-lock.json')
const root = dirname(lockfile)
const { lockfileVersion, packages } = JSON.parse(readFileSync(lockfile, 'utf8'))
const problems = []
let production = 0

/** `MIT`, `(MIT OR Apache-2.0)`: one of an OR is enough, and all of an AND are needed. */
const isAllowed = (license) =>
  license
    .replace(/[()]/g, '')
    .split(' OR ')
    .some((choice) => choice.split(' AND ').every((part) => allowed.includes(part.trim())))

if (lockfileVersion !== 3) problems.push(`the lockfile has version ${lockfileVersion}, and the checks know 3`)
for (const [path, entry] of Object.entries(packages)) {
  if (!path.includes('node_modules/') || entry.link === true) continue
  if (!/^sha512-[A-Za-z0-9+/]{86}==$/.test(entry.integrity ?? ''))
    problems.push(`${path} has no SHA-512 integrity`)
  if (entry.resolved !== undefined && !registries.test(entry.resolved))
    problems.push(`${path} is resolved from elsewhere than the registry`)
  if (entry.dev === true || entry.devOptional === true) continue
  production++
  // Of what is installed the package itself is asked: the lockfile may be older than a change of licence.
  const manifest = join(root, path, 'package.json')
  const license = existsSync(manifest) ? JSON.parse(readFileSync(manifest, 'utf8')).license : entry.license
  if (typeof license !== 'string') problems.push(`${path} names no licence`)
  else if (!isAllowed(license)) problems.push(`${path} has the licence ${license}, which is not on the list`)
}
for (const [path, { hasInstallScript, dev }] of Object.entries(packages))
  if (hasInstallScript === true && dev !== true) problems.push(`${path} runs a script when it is installed`)

/** @returns what `npm audit` says, null when the registry does not answer */
const audit = () => {
  let out
  try {
    out = execFileSync('npm', ['audit', '--omit=dev', '--json'], {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: 60_000,
    })
  } catch (error) {
    // With findings it exits with 1, and without an answer too.
    out = error.stdout ?? ''
  }
  try {
    return JSON.parse(out).metadata?.vulnerabilities ?? null
  } catch {
    return null
  }
}

if (process.argv[2] === undefined) {
  const found = audit()
  if (found === null) console.log('Advisories: the registry does not answer; not checked.')
  else {
    console.log(`Advisories: ${JSON.stringify(found)}`)
    if (found.high + found.critical > 0)
      problems.push(`npm audit knows ${found.high} high and ${found.critical} critical advisories`)
  }
}
console.log(`${Object.keys(packages).length} entries in the lockfile, ${production} packages in production.`)
for (const problem of problems) console.error(problem)
process.exit(problems.length > 0 ? 1 : 0)
