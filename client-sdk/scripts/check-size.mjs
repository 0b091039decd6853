/*
 * The size of what an application ships when it uses the SDK: `createClient`, bundled and minified by esbuild, gzip -9.
 * Two gates: the SDK's own code, without yjs and its packages lib0 and y-protocols (a page with an editor's binding has all
 * three), and the same with y-protocols. What a page loads at once counts; what it loads when it is first needed is listed
 * below. Prints where the bytes are with --files.
 */
import { basename, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { root } from './exports.mjs'

/** In bytes of gzip. Lower it when the figure falls; raise it only for a feature that is worth it. */
const limits = { own: 15_000, withProtocols: 15_850 }

const yjs = ['yjs', 'ws']
const lib0 = [...yjs, 'lib0', 'lib0/*']
const all = [...lib0, 'y-protocols', 'y-protocols/*']

const sizeOf = (files) => ({
  raw: files.reduce((sum, { contents }) => sum + contents.length, 0),
  gzip: files.reduce((sum, { contents }) => sum + gzipSync(contents, { level: 9 }).length, 0),
  inputs: files.flatMap(({ inputs }) => Object.entries(inputs)),
})

/** What a page loads at once: the entry, and the chunks that it imports. And the chunks that come when they are needed. */
const bundle = async (contents, external) => {
  const { outputFiles, metafile } = await build({
    stdin: { contents, resolveDir: `${root}/client-sdk`, loader: 'js' },
    bundle: true,
    splitting: true,
    minify: true,
    write: false,
    outdir: root,
    absWorkingDir: root,
    metafile: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    external,
  })
  const files = new Map(
    Object.entries(metafile.outputs).map(([path, output]) => {
      const { contents } = outputFiles.find((file) => file.path === join(root, path))
      return [path, { ...output, contents }]
    }),
  )
  const importsOf = (path, kind) =>
    files.get(path).imports.filter((each) => !each.external && each.kind === kind)
  const withImports = (start) => {
    const found = new Set(start)
    for (const path of found) {
      for (const each of importsOf(path, 'import-statement')) found.add(each.path)
    }
    return found
  }
  const atOnce = withImports([...files.keys()].filter((path) => basename(path) === 'stdin.js'))
  const chunks = [...files.keys()]
    .filter((path) => !atOnce.has(path))
    .map((path) => [basename(path).replace(/-[A-Z0-9]{8}\.js$/, '.js'), sizeOf([files.get(path)])])
  return { ...sizeOf([...atOnce].map((path) => files.get(path))), chunks }
}

const core = "export { createClient } from '@weft/client'"
const counted = await bundle(core, lib0)
const own = await bundle(core, all)
const rows = [
  ['without yjs and lib0', counted],
  ['without yjs', await bundle(core, yjs)],
  ['without yjs, lib0 and y-protocols', own],
  // Tells when a change makes a page carry more of Yjs than before.
  ['with everything', await bundle(core, ['ws'])],
  ...counted.chunks.map(([name, size]) => [`when needed: ${name}`, size]),
]
for (const [name, { raw, gzip }] of rows) {
  console.log(`${name.padEnd(36)} ${String(gzip).padStart(6)} bytes of gzip, ${raw} minified`)
}
if (process.argv.includes('--files')) {
  const files = counted.inputs.sort(([, a], [, b]) => b.bytesInOutput - a.bytesInOutput)
  for (const [file, { bytesInOutput }] of files) console.log(String(bytesInOutput).padStart(6), file)
}

const unused = await bundle("import { createClient } from '@weft/client'", lib0)
const small = await bundle("export { WeftError } from '@weft/client'", lib0)
console.log(
  `tree shaking: ${unused.raw} bytes of what is imported and not used, ${small.raw} of WeftError alone`,
)

for (const [{ gzip }, limit] of [
  [own, limits.own],
  [counted, limits.withProtocols],
])
  if (gzip > limit) throw new Error(`The core has ${gzip} bytes of gzip and may have ${limit}.`)
if (unused.raw > 0 || small.raw > 2048) throw new Error('The SDK is not tree-shakeable any more.')
