/** What worker threads use of the store: without schema and migrations, which take longer to load than a room. */
export { toStoreError } from './errors.js'
export { quarantineEvent, readEventRows } from './events.js'
export { connectWorker, readLatestSnapshot, readSnapshotSeqs, writeSnapshot } from './snapshots.js'
export type { Sql } from './sql.js'
export { StoreError } from './types.js'
