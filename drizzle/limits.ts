/* What both the schema and those who write rows keep to; without Drizzle, for threads that need no more. */

/** The most bytes of `snapshots.state` in one row: 1 MiB. */
export const maxSnapshotPartBytes = 1024 * 1024
