/* The log of one room in memory, which loses commits, or their answers, when the test says so. */
import type { Seq } from '../../ids.js'
import { StoreError, type CommitEntry, type CommitResult, type StoredEvent } from '../../store/types.js'
import { turn } from './turns.js'
import { keyOf } from './typist.js'

const away = new StoreError('transient', 'the connection was lost', null)

export class MemoryLog {
  readonly events: StoredEvent[] = []
  /** By index of the event: the key of an update, null for a message. */
  readonly keys: (string | null)[] = []
  /** What becomes of the next commits: they happen and the answer is lost, or they do not happen. */
  readonly faults: ('ambiguous' | 'lost')[] = []
  private gate: Promise<void> | null = null
  private open: () => void = () => undefined

  /** The database is away, until `resume`. */
  pause(): void {
    this.gate ??= new Promise((resolve) => (this.open = resolve))
  }

  resume(): void {
    this.gate = null
    this.open()
  }

  async commit(entries: readonly CommitEntry[]): Promise<CommitResult[]> {
    await this.gate
    const fault = this.faults.shift()
    if (fault === 'lost') throw away
    const results = entries.map((entry) => this.append(entry))
    if (fault === 'ambiguous') throw away
    return results
  }

  append(entry: Pick<CommitEntry, 'kind' | 'clientId' | 'clientSeq' | 'name' | 'payload'>): CommitResult {
    const { kind, clientId, clientSeq, name, payload } = entry
    const known = this.events.find(
      (event) => kind === 'message' && event.clientId === clientId && event.clientSeq === clientSeq,
    )
    if (known !== undefined) return { status: 'duplicate', seq: known.seq }
    const seq = this.events.length + 1
    this.events.push({ seq, kind, author: null, clientId, clientSeq, name, payload, createdAt: 0 })
    this.keys.push(kind === 'update' ? keyOf(payload) : null)
    return { status: 'committed', seq }
  }

  async readEvents(_room: number, after: number, upTo: number, limit: number): Promise<StoredEvent[]> {
    await turn()
    return this.events.slice(after, Math.min(upTo, after + limit))
  }

  /** The messages after a seq and up to another. */
  messages(after: Seq, upTo: Seq): Seq[] {
    return this.events.slice(after, upTo).flatMap(({ kind, seq }) => (kind === 'message' ? [seq] : []))
  }
}
