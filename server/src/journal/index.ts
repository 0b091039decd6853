/** The journal: a node's group commit into the event log. */

export { fullJitter, type BackoffOptions } from './backoff.js'
export { CommitPacing } from './pacing.js'
export { Journal, type JournalObserver, type JournalOptions } from './journal.js'
export type { JournalLane } from './lane.js'
export type { JournalEntry, JournalResult } from './types.js'
