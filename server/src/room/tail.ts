import type { Seq } from '../ids.js'
import type { StoredEvent } from '../store/types.js'
import { EventPacker, type PackedEvent } from './packed-event.js'

/** Bytes of events beyond a hole that a tail holds, with what each takes beside its payload. */
export const maxAheadBytes = 4 * 1024 * 1024
const aheadOverhead = 256

const sizeOf = ({ byteLength }: { readonly byteLength: number }): number => byteLength + aheadOverhead

/**
 * The committed events of a room after its base, as far as this node holds them. Pure.
 *
 * `head` passes a seq only if its event is here (DESIGN "Gap repair"): what was committed beyond a hole waits, and the
 * hole is read from the log. Holes come from commits of other nodes, and from a node's own commit whose answer was lost.
 * While holes cannot be read what is beyond them is bounded (I6): more is let go of, and read from the log with them.
 */
export class EventTail {
  /** Contiguous: `events[i].seq` is `start + 1 + i`. */
  private events: PackedEvent[] = []
  private readonly ahead = new Map<Seq, PackedEvent>()
  private readonly packer = new EventPacker()
  private startSeq: Seq
  private byteLength = 0
  private aheadBytes = 0
  /** The highest seq that was let go of beyond a hole. */
  private letGo: Seq = 0

  /** @param start the seq before the first event that the tail is to hold */
  constructor(start: Seq, events: readonly StoredEvent[] = []) {
    this.startSeq = start
    for (const event of events) this.add(event)
  }

  /** The highest seq up to which nothing is missing. */
  get head(): Seq {
    return this.startSeq + this.events.length
  }

  /** The highest seq known to be committed: `head`, or beyond a hole. */
  get newest(): Seq {
    let newest = Math.max(this.head, this.letGo)
    for (const seq of this.ahead.keys()) newest = Math.max(newest, seq)
    return newest
  }

  /** The seq before the first event held. */
  get start(): Seq {
    return this.startSeq
  }

  /** Payload bytes held. */
  get bytes(): number {
    return this.byteLength
  }

  /** Whether an update is among what is held without a hole. */
  get hasUpdate(): boolean {
    return this.events.some(({ kind }) => kind === 'update')
  }

  get length(): number {
    return this.events.length
  }

  /** Whether that event is held beyond a hole. */
  isAhead(seq: Seq): boolean {
    return this.ahead.has(seq)
  }

  /** Whether that event is here, or was and has been let go of. */
  has(seq: Seq): boolean {
    return seq <= this.head || this.ahead.has(seq)
  }

  /**
   * Takes a committed event in.
   * @returns the events that `head` passes now, in order: none when there is a hole before it, or it is known already
   */
  add(committed: StoredEvent): readonly PackedEvent[] {
    if (committed.seq <= this.head || this.ahead.has(committed.seq)) return []
    const isNext = committed.seq === this.head + 1
    if (!isNext && this.aheadBytes + sizeOf(committed.payload) > maxAheadBytes) {
      this.letGo = Math.max(this.letGo, committed.seq)
      return []
    }
    const event = this.packer.pack(committed)
    this.byteLength += event.byteLength
    if (!isNext) {
      this.aheadBytes += sizeOf(event)
      this.ahead.set(event.seq, event)
      return []
    }
    this.events.push(event)
    if (this.ahead.size === 0) return [event]
    const passed = [event]
    for (let next = this.ahead.get(this.head + 1); next !== undefined; next = this.ahead.get(this.head + 1)) {
      this.ahead.delete(next.seq)
      this.aheadBytes -= sizeOf(next)
      this.events.push(next)
      passed.push(next)
    }
    return passed
  }

  /** The first hole, to be read from the log: `after < seq <= upTo`. */
  hole(): { after: Seq; upTo: Seq } | null {
    if (this.ahead.size === 0 && this.letGo <= this.head) return null
    let first = Infinity
    for (const seq of this.ahead.keys()) first = Math.min(first, seq)
    const upTo = first === Infinity ? this.letGo : first - 1
    return upTo > this.head ? { after: this.head, upTo } : null
  }

  /** The log ends at `end`, and `newest` had been told by then: what was told beyond the end never was there, and is forgotten. */
  contradict(end: Seq, newest: Seq): void {
    if (this.letGo <= newest) this.letGo = Math.min(this.letGo, end)
    for (const [seq, event] of this.ahead) {
      if (seq <= end || seq > newest) continue
      this.ahead.delete(seq)
      this.aheadBytes -= sizeOf(event)
      this.byteLength -= event.byteLength
    }
  }

  /** The events held beyond the first hole: committed, and not passed by `head` yet. In order. */
  beyond(): PackedEvent[] {
    return [...this.ahead.values()].sort((a, b) => a.seq - b.seq)
  }

  /** Events after `seq`, or null when the tail no longer reaches back so far. */
  after(seq: Seq): PackedEvent[] | null {
    if (seq < this.startSeq) return null
    return this.events.slice(seq - this.startSeq)
  }

  /** Lets go of the events up to `seq`. */
  dropUpTo(seq: Seq): void {
    const count = Math.min(Math.max(0, seq - this.startSeq), this.events.length)
    if (count === 0) return
    for (let i = 0; i < count; i++) this.byteLength -= this.events[i]?.byteLength ?? 0
    this.events = this.events.slice(count)
    this.startSeq += count
    if (this.events.length + this.ahead.size === 0) this.packer.reset()
  }
}
