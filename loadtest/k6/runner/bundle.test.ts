import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { transform } from 'esbuild'
import { bundleScripts, scriptNames } from './bundle.js'

const folder = mkdtempSync(join(tmpdir(), 'weft-k6-bundle-'))
beforeAll(() => bundleScripts(folder))
afterAll(() => rmSync(folder, { recursive: true }))

test('all scripts are there', () => {
  expect(scriptNames).toEqual([
    'big-room',
    'editors',
    'join-large-document',
    'presence-storm',
    'ramp',
    'reconnect-storm',
    'smoke',
    'soak',
  ])
})

test.each(scriptNames)('%s is a module that imports nothing but k6, and carries no Yjs', async (name) => {
  const code = readFileSync(join(folder, `${name}.js`), 'utf8')
  await transform(code, { loader: 'js', format: 'esm' })
  const imports = [...code.matchAll(/^import .*? from "(.*?)";$/gm)].map(([, from]) => from)
  expect(imports.length).toBeGreaterThan(0)
  expect(imports.filter((from) => from !== 'k6' && !from?.startsWith('k6/'))).toEqual([])
  expect(code).toMatch(/export \{[^}]*\boptions\b[^}]*\bsetup\b[^}]*\};/s)
  expect(code).not.toContain('Yjs was already imported')
})
