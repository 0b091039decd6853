import { childrenNamed } from '../measure/proc.js'

/** A PostgreSQL of this run's own. */
export interface Database {
  /** The pid of its first process, the parent of all others. */
  readonly postmaster: number
  /** Makes an empty database. @returns its URL */
  create(): Promise<string>
  dispose(): Promise<void>
}

/** What the server package's test helpers give. */
interface TestingModule {
  startPostgres(options: { settings: Readonly<Record<string, string>> }): Promise<{
    createDatabase(): Promise<string>
    dispose(): Promise<void>
  }>
}

/** Starts PostgreSQL from npm's binaries, durable (fsync on), on this process's core. */
export const startDatabase = async (): Promise<Database> => {
  const before = new Set(childrenNamed('postgres'))
  const { startPostgres } = await loadTesting()
  const postgres = await startPostgres({ settings: { shared_buffers: '256MB' } })
  const postmaster = childrenNamed('postgres').find((pid) => !before.has(pid))
  if (postmaster === undefined) throw new Error('the PostgreSQL process was not found')
  return {
    postmaster,
    create: () => postgres.createDatabase(),
    dispose: () => postgres.dispose(),
  }
}

const loadTesting = async (): Promise<TestingModule> => {
  // A path, not a package name: the helpers are not part of the server's public face.
  const path = new URL('../../../../server/dist/testing/postgres.js', import.meta.url).href
  const module: unknown = await import(path)
  return module as TestingModule
}
