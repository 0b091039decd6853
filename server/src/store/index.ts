/** The store: the event log, the rooms and the snapshots, in PostgreSQL or in the embedded PGlite. */
export * from './types.js'
export { openStore, type StoreOptions } from './open.js'
export type { StoreLogger } from './embedded.js'
export { StoreStartError, toStoreError } from './errors.js'
export { migrateStore, type ServerFacts } from './migrate.js'
export { quarantineEvent, readEventRows, type QuarantinedEvent } from './events.js'
export {
  connectWorker,
  readLatestSnapshot,
  readSnapshotSeqs,
  writeSnapshot,
  type Snapshot,
} from './snapshots.js'
export type { Sql } from './sql.js'
