import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'
import { sources } from './folders.js'

/** The scripts, by name. */
export const scriptNames = readdirSync(join(sources, 'scripts'))
  .map((file) => file.replace(/\.ts$/, ''))
  .sort()

/** Bundles every script for k6, each into a file of its own: `<name>.js` in the folder. */
export const bundleScripts = async (folder: string): Promise<void> => {
  await build({
    entryPoints: scriptNames.map((name) => join(sources, 'scripts', `${name}.ts`)),
    outdir: folder,
    inject: [join(sources, 'client', 'polyfill.ts')],
    bundle: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    external: ['k6', 'k6/*'],
    logLevel: 'error',
  })
}
