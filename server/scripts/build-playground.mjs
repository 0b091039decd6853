/*
 * Builds the playground into dist/playground, where src/playground/assets.ts reads it: run through
 * `npm run build:playground`, which checks the types first. The same sources give the same bytes.
 */
import { copyFile, mkdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const from = new URL('../playground/', import.meta.url)
const to = new URL('../dist/playground/', import.meta.url)
const path = (name, base) => fileURLToPath(new URL(name, base))

await mkdir(to, { recursive: true })
const options = {
  bundle: true,
  minify: true,
  // Beside the bundle for whoever debugs it, but neither named in it nor served: it is five times as large.
  sourcemap: 'external',
  // Paths in the source map are the same wherever the checkout is.
  absWorkingDir: fileURLToPath(new URL('../..', import.meta.url)),
  target: ['chrome111', 'firefox113', 'safari16.4'],
  logLevel: 'warning',
}
await Promise.all([
  build({ ...options, entryPoints: [path('main.ts', from)], outfile: path('main.js', to), format: 'esm' }),
  build({ ...options, entryPoints: [path('styles.css', from)], outfile: path('styles.css', to) }),
  ...['index.html', 'favicon.svg'].map((name) => copyFile(path(name, from), path(name, to))),
])
