/*
 * The group commit. All rooms of a node share it: while one transaction is in flight the next batch gathers, so batches
 * grow with load by themselves, and one round trip commits them.
 *
 * An entry is never dropped: it is committed, recognised, fenced, or quarantined, and told so. While the database is
 * away the batch is retried with backoff, and what waits is bounded by `memory`: rooms ask `hasRoom` *before* they
 * relay a change (I3: after the relay it is never refused).
 *
 * Each tenant has a lane of its own: a part of the memory, and a part of each batch. The backlog of one does not hold up the acks
 * of another.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { StoreError, type CommitLog, type CommitResult } from '../store/types.js'
import type { SharedLimit } from '../tenants/index.js'
import { fullJitter } from './backoff.js'
import { JournalLane, sizeOf, type LaneJournal } from './lane.js'
import type { JournalEntry, JournalResult } from './types.js'

export interface JournalOptions {
  /** Entries in one transaction, at most. */
  readonly maxBatchEntries: number
  /** Those of one tenant, where there are several: the others wait for the transaction. Default: `maxBatchEntries`. */
  readonly maxTenantEntries?: number
  /** Payload bytes in one transaction, at most (a single larger entry goes alone). */
  readonly maxBatchBytes: number
  /** Bytes of changes that may wait for the database; beyond them rooms refuse changes as `overloaded`. Shared by the tenants. */
  readonly memory: SharedLimit
  /**
   * Milliseconds between the starts of two transactions while changes keep coming: a pause that costs the ack a little
   * and saves a round trip's CPU on both sides. A change after a quiet moment is committed at once. Asked before each
   * transaction: see `CommitPacing`.
   */
  readonly interval: () => number
  readonly random: () => number
}

/** What the journal reports; counters and histograms are fed from it. */
export interface JournalObserver {
  committed(batch: { entries: number; bytes: number; seconds: number }): void
  failed(error: StoreError, attempt: number): void
  quarantined(entry: JournalEntry, error: StoreError): void
  /** `settle` threw: a fault of the room, which must not stop the journal. */
  fault(error: unknown): void
}

/** A commit that takes so many milliseconds is a sign of trouble. */
const slowCommitMs = 1_000

/** A batch, with what each lane gave to it. */
interface Batch {
  readonly entries: JournalEntry[]
  readonly parts: { readonly lane: JournalLane; readonly bytes: number }[]
}

export class Journal implements LaneJournal {
  private readonly log: CommitLog
  private readonly options: JournalOptions
  private readonly observer: JournalObserver
  /** Those with something in them; the one whose turn is first comes first. */
  private lanes: JournalLane[] = []
  private inFlight = 0
  private running: Promise<void> | null = null
  private lastStart = -Infinity
  /** `performance.now()` when the commit in flight began, */
  private commitStarted: number | null = null
  /** and when the last one failed, or came after a long time. */
  private lastTrouble = -Infinity
  /** Ends the pauses of backoff and pacing at once: the journal is being flushed for the shutdown. */
  private hurry = new AbortController()
  private stopped = false

  constructor(log: CommitLog, options: JournalOptions, observer: JournalObserver) {
    this.log = log
    this.options = options
    this.observer = observer
  }

  /** Changes not settled yet. */
  get depth(): number {
    let depth = this.inFlight
    for (const lane of this.lanes) depth += lane.length
    return depth
  }

  /** Bytes of changes not settled yet. */
  get depthBytes(): number {
    return this.options.memory.used
  }

  get isStopped(): boolean {
    return this.stopped
  }

  /** Where the rooms of a tenant write to. */
  lane(tenant: string): JournalLane {
    return new JournalLane(this, this.options.memory.share(tenant))
  }

  isCalm(milliseconds: number): boolean {
    const now = performance.now()
    if (this.commitStarted !== null && now - this.commitStarted > slowCommitMs) return false
    return now - this.lastTrouble >= milliseconds
  }

  filled(lane: JournalLane): void {
    this.lanes.push(lane)
    this.running ??= this.run()
  }

  /** Resolves when everything appended so far is settled. */
  async flush(): Promise<void> {
    while (this.running !== null) await this.running
  }

  /**
   * Flushes for the shutdown: no more pauses, and changes that come now are refused.
   * @returns the number of changes that were not settled when the deadline passed
   */
  async close(deadlineMs: number): Promise<number> {
    this.hurry.abort()
    const timer = new AbortController()
    await Promise.race([
      this.flush(),
      delay(deadlineMs, undefined, { signal: timer.signal }).catch(() => undefined),
    ])
    timer.abort()
    this.stopped = true
    return this.depth
  }

  private async run(): Promise<void> {
    // A microtask later: what came in the same turn goes in the same batch.
    await Promise.resolve()
    while (this.lanes.length > 0 && !this.stopped) {
      const pause = this.lastStart + this.options.interval() - performance.now()
      if (pause > 0.5) await this.pause(pause)
      this.lastStart = performance.now()
      await this.commitBatch(this.takeBatch())
    }
    this.running = null
  }

  private async pause(milliseconds: number): Promise<void> {
    if (this.hurry.signal.aborted) return
    await delay(milliseconds, undefined, { signal: this.hurry.signal }).catch(() => undefined)
  }

  /** What is left of a batch is divided between the lanes that are left: what one does not need goes to those after it. */
  private takeBatch(): Batch {
    let { maxBatchEntries: entriesLeft, maxBatchBytes: bytesLeft } = this.options
    const { maxTenantEntries = Infinity } = this.options
    const { lanes } = this
    const batch: JournalEntry[][] = []
    const parts: Batch['parts'] = []
    let served = 0
    const unfinished: JournalLane[] = []
    for (const lane of lanes) {
      const lanesLeft = lanes.length - served
      const most = lane.isShared ? maxTenantEntries : Infinity
      const entries = lane.take(Math.min(most, Math.floor(entriesLeft / lanesLeft)), bytesLeft / lanesLeft)
      let size = 0
      for (const entry of entries) {
        bytesLeft -= entry.payload.length
        size += sizeOf(entry)
      }
      entriesLeft -= entries.length
      batch.push(entries)
      parts.push({ lane, bytes: size })
      served++
      if (lane.length > 0) unfinished.push(lane)
      if (entriesLeft <= 0 || bytesLeft <= 0) break
    }
    // Who has not had a turn comes first the next time.
    this.lanes = served === lanes.length ? unfinished : [...lanes.slice(served), ...unfinished]
    const [only] = batch
    const entries = batch.length === 1 && only !== undefined ? only : batch.flat()
    this.inFlight = entries.length
    return { entries, parts }
  }

  private async commitBatch({ entries, parts }: Batch): Promise<void> {
    await this.commit(entries)
    // Unsettled only after the shutdown's deadline.
    if (this.inFlight > 0) return
    for (const { lane, bytes } of parts) lane.release(bytes)
  }

  /** Commits a batch, however long the database is away. Bisects it when the database refuses what is in it. */
  private async commit(batch: JournalEntry[]): Promise<void> {
    const parts = [batch]
    for (let part = parts.pop(); part !== undefined; part = parts.pop()) {
      const error = await this.commitPart(part)
      if (error === null) continue
      const [only] = part
      if (part.length === 1 && only !== undefined) {
        this.observer.quarantined(only, error)
        this.settle([only], [{ status: 'quarantined', reason: error.message }])
      } else {
        // Order within a room is kept: the first half is committed before the second is tried.
        const middle = part.length >> 1
        parts.push(part.slice(middle), part.slice(0, middle))
      }
    }
  }

  /** @returns null when committed, the error when the database refuses something in the batch for good */
  private async commitPart(batch: JournalEntry[]): Promise<StoreError | null> {
    for (let attempt = 0; ; attempt++) {
      const started = performance.now()
      let results: CommitResult[]
      try {
        this.commitStarted ??= started
        results = await this.log.commit(batch)
        if (performance.now() - started > slowCommitMs) this.lastTrouble = performance.now()
        this.commitStarted = null
      } catch (error) {
        this.lastTrouble = performance.now()
        const failure =
          error instanceof StoreError
            ? error
            : new StoreError('transient', `the commit failed: ${String(error)}`, null, { cause: error })
        this.observer.failed(failure, attempt)
        if (failure.kind === 'rejected') {
          this.commitStarted = null
          return failure
        }
        // Left unsettled: `close` has counted it.
        if (this.stopped) return null
        const wait = Math.max(5, fullJitter(attempt, { initial: 50, max: 2_000 }, this.options.random))
        // Also while hurrying: a database that is away is not asked thousands of times a second.
        if (this.hurry.signal.aborted) await delay(Math.min(wait, 100))
        else await this.pause(wait)
        continue
      }
      let bytes = 0
      for (const entry of batch) bytes += entry.payload.length
      this.observer.committed({ entries: batch.length, bytes, seconds: (performance.now() - started) / 1000 })
      this.settle(batch, results)
      return null
    }
  }

  private settle(batch: JournalEntry[], results: readonly JournalResult[]): void {
    let index = 0
    for (const entry of batch) {
      const result = results[index++]
      this.inFlight--
      try {
        if (result === undefined)
          throw new Error(`the store gave ${results.length} results for ${batch.length} entries`)
        entry.settle(result)
      } catch (error) {
        this.observer.fault(error)
      }
    }
  }
}
