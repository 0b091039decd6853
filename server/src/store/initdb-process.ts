/* Makes the files of an embedded database, as a process of its own: see `initdb.ts`. */
import { PGlite } from '@electric-sql/pglite'

const [dataDir] = process.argv.slice(2)
if (dataDir === undefined) throw new Error('initdb-process is started by initdb.ts')
// Whoever wanted the database is gone.
process.on('disconnect', () => process.exit(1))
try {
  const db = await PGlite.create({ dataDir })
  await db.close()
  process.exit(0)
} catch (error) {
  // Emscripten's are no Errors.
  const { name, message, errno } = error as { name?: string; message?: string; errno?: number }
  process.stderr.write(`${name ?? 'Error'}: ${message ?? `errno ${errno ?? 'unknown'}`}\n`, () =>
    process.exit(1),
  )
}
