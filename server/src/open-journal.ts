import type { Config } from './config.js'
import { CommitPacing, Journal, type JournalEntry } from './journal/index.js'
import type { DatabaseWatch } from './readiness.js'
import type { Store, StoreError } from './store/index.js'
import type { FairShares } from './tenants/index.js'
import type { Logger, Metrics } from './telemetry/index.js'

/** Journal batches: large enough to amortise a commit, small enough to keep one short. */
const maxBatchEntries = 4_000
/** Those of one tenant: some 50 ms, even of a busy database, for the others to wait. */
const maxTenantEntries = 500
const maxBatchBytes = 4 * 1024 * 1024

/** Refused changes on their way to `quarantined_events`, at most. */
const maxAsides = 100

export interface JournalDependencies {
  readonly config: Config
  readonly store: Store
  readonly shares: FairShares
  readonly metrics: Metrics
  readonly database: DatabaseWatch
  readonly log: Logger
  readonly fault: (message: string, error: unknown) => void
}

export interface OpenJournal {
  readonly journal: Journal
  /** Resolves when the refused changes that are on their way to `quarantined_events` are there. */
  asides(): Promise<unknown>
}

/** The journal of a node: what it commits is counted, and what it refuses is set aside. */
export const openJournal = ({
  config,
  store,
  shares,
  metrics,
  database,
  log,
  fault,
}: JournalDependencies): OpenJournal => {
  const asides = new Set<Promise<void>>()
  /** Best effort: what the database refuses may be the payload itself. A client that does nothing else is only logged. */
  const setAside = ({ roomId, payload }: JournalEntry, { detail }: StoreError): void => {
    if (asides.size >= maxAsides) return
    const aside = store
      .quarantine({ roomId, payload, reason: detail })
      .catch((error: unknown) => fault('a refused change could not be set aside', error))
      .finally(() => asides.delete(aside))
    asides.add(aside)
  }
  const pacing = new CommitPacing(
    config.journalIntervalMs,
    () => metrics.updatesReceived + metrics.totalDeliveries,
  )
  const journal = new Journal(
    store,
    {
      maxBatchEntries,
      maxTenantEntries,
      maxBatchBytes,
      memory: shares.limit(config.journalMaxBytes),
      interval: () => pacing.interval(),
      random: Math.random,
    },
    {
      committed: ({ entries, seconds }) => {
        database.answered()
        metrics.batchEntries.observe(entries)
        metrics.commitSeconds.observe(seconds)
      },
      failed: (error, attempt) => {
        metrics.commitFailed(error.kind)
        if (error.kind === 'transient') database.doubt()
        // Each attempt would fill the log of a long outage: the first, and then every tenth.
        if (attempt % 10 === 0)
          log.warn({ err: error, attempt, waiting: journal.depth }, 'a commit failed; it is tried again')
      },
      quarantined: (entry, error) => {
        metrics.quarantined()
        log.error(
          { err: error, roomId: entry.roomId, kind: entry.kind, bytes: entry.payload.length },
          'the database refuses a change for good; it is not part of the room',
        )
        setAside(entry, error)
      },
      fault: (error) => fault('settling a change failed', error),
    },
  )
  return { journal, asides: () => Promise.all(asides) }
}
