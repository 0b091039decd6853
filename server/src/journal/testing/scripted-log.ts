/* What a journal talks to, in script: a log whose every commit waits for the test, and an observer that keeps what it is told. */
import type { CommitEntry, CommitLog, CommitResult, StoreError } from '../../store/types.js'
import type { JournalObserver } from '../journal.js'
import type { JournalEntry } from '../types.js'

/** One call of `commit`, answered by the test. */
export interface Call {
  readonly entries: readonly CommitEntry[]
  /** Numbers the entries by room, as the store does, and answers. */
  commit(): void
  fail(error: Error): void
}

export class ScriptedLog implements CommitLog {
  readonly calls: Call[] = []
  /** What the log holds, by room: the tags of the entries. */
  readonly rooms = new Map<number, number[]>()
  inFlight = 0
  mostInFlight = 0
  private readonly waiting: ((call: Call) => void)[] = []

  commit(entries: readonly CommitEntry[]): Promise<CommitResult[]> {
    this.inFlight++
    this.mostInFlight = Math.max(this.mostInFlight, this.inFlight)
    return new Promise((resolve, reject) => {
      const call: Call = {
        entries,
        commit: () => {
          this.inFlight--
          resolve(entries.map((entry) => this.append(entry)))
        },
        fail: (error) => {
          this.inFlight--
          reject(error)
        },
      }
      this.calls.push(call)
      this.waiting.shift()?.(call)
    })
  }

  /** The next call that comes. */
  next(): Promise<Call> {
    return new Promise((resolve) => this.waiting.push(resolve))
  }

  append(entry: CommitEntry): CommitResult {
    const events = this.rooms.get(entry.roomId) ?? []
    this.rooms.set(entry.roomId, events)
    return { status: 'committed', seq: events.push(tagOf(entry)) }
  }
}

export class Recorder implements JournalObserver {
  readonly batches: number[] = []
  readonly attempts: number[] = []
  readonly quarantinedTags: number[] = []
  readonly faults: unknown[] = []
  committed({ entries }: { entries: number }): void {
    this.batches.push(entries)
  }
  failed(_error: StoreError, attempt: number): void {
    this.attempts.push(attempt)
  }
  quarantined(entry: JournalEntry): void {
    this.quarantinedTags.push(tagOf(entry))
  }
  fault(error: unknown): void {
    this.faults.push(error)
  }
}

/** What tells an entry from the others. */
export const tagOf = (entry: CommitEntry): number => entry.payload[0] ?? 0
