import { startPostgres } from '@weft/server/testing'
import { childrenNamed } from '../measure/proc.js'

/** A PostgreSQL of this run's own. */
export interface Database {
  /** The pid of its first process, the parent of all others. */
  readonly postmaster: number
  /** Makes an empty database. @returns its URL */
  create(): Promise<string>
  dispose(): Promise<void>
}

/** Starts PostgreSQL from npm's binaries, durable (fsync on), on this process's core. */
export const startDatabase = async (): Promise<Database> => {
  const before = new Set(childrenNamed('postgres'))
  const postgres = await startPostgres({ settings: { shared_buffers: '256MB' } })
  const postmaster = childrenNamed('postgres').find((pid) => !before.has(pid))
  if (postmaster === undefined) throw new Error('the PostgreSQL process was not found')
  return {
    postmaster,
    create: () => postgres.createDatabase(),
    dispose: () => postgres.dispose(),
  }
}
