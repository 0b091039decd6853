/*
 * Hocuspocus as its documentation starts it, on `ws`: no hooks, updates of one event loop turn merged (`flushDelay: 0`, the
 * default), `@hocuspocus/extension-database` on PostgreSQL, stores debounced as by default.
 */
import { Database } from '@hocuspocus/extension-database'
import { Server } from '@hocuspocus/server'
import pg from 'pg'

/** Connections to PostgreSQL: the default of `pg`. */
const database = async (connectionString) => {
  const pool = new pg.Pool({ connectionString })
  await pool.query('CREATE TABLE IF NOT EXISTS documents (name text PRIMARY KEY, state bytea NOT NULL)')
  return new Database({
    fetch: async ({ documentName }) => {
      const { rows } = await pool.query('SELECT state FROM documents WHERE name = $1', [documentName])
      return rows[0]?.state ?? null
    },
    store: async ({ documentName, state }) => {
      await pool.query(
        'INSERT INTO documents (name, state) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET state = excluded.state',
        [documentName, state],
      )
    },
  })
}

const server = new Server({
  address: '127.0.0.1',
  quiet: true,
  extensions: [await database(process.env.DATABASE_URL)],
})
await server.listen(Number(process.env.PORT))
