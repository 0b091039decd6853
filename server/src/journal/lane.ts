import type { Share } from '../tenants/index.js'
import type { JournalEntry } from './types.js'

/** Memory that an entry takes beside its payload: object, promise bookkeeping, relay. An estimate for the limit. */
const entryOverhead = 256

export const sizeOf = (entry: JournalEntry): number => entry.payload.length + entryOverhead

/** What a lane needs of its journal. */
export interface LaneJournal {
  /** Nothing is taken in any more. */
  readonly isStopped: boolean
  /** Whether commits have gone well for that many milliseconds: none has failed, and none has taken a second. */
  isCalm(milliseconds: number): boolean
  /** There is something in the lane that had nothing. */
  filled(lane: JournalLane): void
}

/** The changes of one tenant that wait for their commit, and its part of the journal's memory. Rooms write to it. */
export class JournalLane {
  private readonly journal: LaneJournal
  private readonly share: Share
  private queue: JournalEntry[] = []

  constructor(journal: LaneJournal, share: Share) {
    this.journal = journal
    this.share = share
  }

  /** Changes that are in no batch yet. */
  get length(): number {
    return this.queue.length
  }

  /** Whether other tenants may have changes as well. */
  get isShared(): boolean {
    return this.share.isCapped
  }

  /** Whether a change of that many bytes may come in. To be asked before the change is relayed (I3). */
  hasRoom(bytes: number): boolean {
    const { journal, share } = this
    // One entry always fits an empty journal, or a limit below an update's size would refuse it for ever.
    return !journal.isStopped && (share.isFirst || share.fits(bytes + entryOverhead))
  }

  isCalm(milliseconds: number): boolean {
    return this.journal.isCalm(milliseconds)
  }

  /** Takes an entry in. Its `settle` is called when its fate is known. */
  append(entry: JournalEntry): void {
    this.queue.push(entry)
    this.share.add(sizeOf(entry))
    if (this.queue.length === 1) this.journal.filled(this)
  }

  /**
   * Takes the oldest entries out, at least one.
   * @param bytes of their payloads, at most
   */
  take(entries: number, bytes: number): JournalEntry[] {
    let count = 0
    let taken = 0
    for (const { payload } of this.queue) {
      if (count > 0 && (count >= entries || taken + payload.length > bytes)) break
      taken += payload.length
      count++
    }
    const { queue } = this
    if (count === queue.length) {
      this.queue = []
      return queue
    }
    this.queue = queue.slice(count)
    return queue.slice(0, count)
  }

  /** Entries that were taken out are settled: so many bytes are free again. */
  release(bytes: number): void {
    this.share.add(-bytes)
  }
}
