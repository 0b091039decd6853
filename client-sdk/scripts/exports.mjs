/* What a package exports, from its package.json: the checks and the reference cover whatever is added there. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('../..', import.meta.url))

/** @param folder of the package, from the root of the repository */
export const manifest = (folder) => JSON.parse(readFileSync(`${root}/${folder}/package.json`, 'utf8'))

/** The modules that a package exports: what one imports, and the source file behind it. */
export const modules = (folder) => {
  const { name, exports } = manifest(folder)
  return Object.entries(exports)
    .filter(([, target]) => typeof target === 'object')
    .map(([path, target]) => ({
      specifier: name + path.slice(1),
      source: join(root, folder, target.types.replace('./dist/', 'src/').replace('.d.ts', '.ts')),
    }))
}
