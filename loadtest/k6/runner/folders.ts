import { createRequire } from 'node:module'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'

const loadtest = dirname(createRequire(import.meta.url).resolve('@weft/loadtest/package.json'))

/** The sources of the scripts: from the sources and from their build alike. */
export const sources = join(loadtest, 'k6')
/** Where bundles go. */
export const bundles = join(loadtest, 'dist', 'k6-scripts')
/** The program of a Weft node, as it was built. */
export const serverProgram = join(loadtest, '..', 'server', 'dist', 'main.js')
/** Where a k6 may be that is not on the PATH. */
export const k6Cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'weft', 'k6')
