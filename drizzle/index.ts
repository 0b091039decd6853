import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export * from './limits.js'
export * from './schema.js'

const beside = fileURLToPath(new URL('./migrations', import.meta.url))

/** The absolute path of the SQL migrations, for Drizzle's migrator: beside this source, above the compiled file. */
export const migrationsFolder = existsSync(beside)
  ? beside
  : fileURLToPath(new URL('../migrations', import.meta.url))
