import type { CommitEntry, CommitResult } from '../store/types.js'

/** An entry with what the journal does once its fate is known. */
export interface JournalEntry extends CommitEntry {
  /**
   * Called once, in the order of `append` among the entries of a room, in the same turn for all entries of a batch.
   * `quarantined`: the database refuses the entry for good; it is not in the log.
   */
  settle(result: JournalResult): void
}

/** What became of an entry. */
export type JournalResult = CommitResult | { readonly status: 'quarantined'; readonly reason: string }
