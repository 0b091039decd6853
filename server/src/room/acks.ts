import type { Coverage, Id } from '../crdt/index.js'
import type { Seq } from '../ids.js'
import type { RoomMember, RoomObserver } from './types.js'

/**
 * Changes of one member that may wait for their ack. The journal's limit does not bound them: what is committed, and comes
 * after a change that refers to what never came, waits with it.
 */
export const maxUnacked = 16_384

/** A change that waits for its ack. */
export interface WaitingChange {
  readonly n: number
  /** What must be committed before this may be acknowledged (I1). */
  readonly deps: readonly Id[]
  readonly arrived: number
  /** Null until it is committed. */
  seq: Seq | null
  /** Refused after all (quarantined, conflict): settled without an ack. */
  dropped: boolean
}

/**
 * The changes of one member that wait for their ack. Acks are cumulative and in order: a change is acknowledged when it
 * and everything before it is committed, and everything that they refer to.
 */
export class MemberAcks {
  private queue: WaitingChange[] = []

  /** Changes not acknowledged yet. */
  get size(): number {
    return this.queue.length
  }

  add(change: WaitingChange): void {
    this.queue.push(change)
  }

  /** Acknowledges what can be. @returns whether something committed still waits for what it refers to */
  release(member: RoomMember, coverage: Coverage, observer: RoomObserver): boolean {
    let done = 0
    let last: WaitingChange | null = null
    let blocked = false
    for (const waiting of this.queue) {
      if (!waiting.dropped) {
        if (waiting.seq === null) break
        if (!coverage.covers(waiting.deps)) {
          blocked = true
          break
        }
        last = waiting
      }
      done++
    }
    if (done === 0) return blocked
    this.queue = done === this.queue.length ? [] : this.queue.slice(done)
    if (last?.seq != null) {
      member.ack(last.n, last.seq)
      observer.acked((performance.now() - last.arrived) / 1000)
    }
    return blocked
  }
}

/** One member of the room, and whether it is on the list of those to look at. */
interface Entry {
  readonly member: RoomMember
  readonly acks: MemberAcks
  /** It is in `due` already: something of it is settled in this batch, or its ack waits for what it refers to. */
  isDue: boolean
}

/**
 * The acks of a room's members: released together, after all of a batch is settled.
 *
 * Lists and flags, no sets: a set that is filled and emptied for each batch gets a new table each time, to which the old one
 * points; once one of them is in V8's old space all that come after it are kept until a full collection.
 */
export class RoomAcks {
  private readonly coverage: Coverage
  private readonly observer: RoomObserver
  private readonly members = new Map<RoomMember, Entry>()
  /** Those with something to acknowledge after the batch that is being settled, or whose ack waits for what it refers to. */
  private due: Entry[] = []

  constructor(coverage: Coverage, observer: RoomObserver) {
    this.coverage = coverage
    this.observer = observer
  }

  get memberCount(): number {
    return this.members.size
  }

  join(member: RoomMember): void {
    this.members.set(member, { member, acks: new MemberAcks(), isDue: false })
  }

  /** @returns whether it was there */
  leave(member: RoomMember): boolean {
    return this.members.delete(member)
  }

  /** Whether a member has as many changes waiting as it may. */
  isFull(member: RoomMember): boolean {
    return (this.members.get(member)?.acks.size ?? 0) >= maxUnacked
  }

  /** Those who are here now. */
  all(): RoomMember[] {
    return [...this.members.keys()]
  }

  /** A change of a member waits for its ack, after those before it. */
  add(member: RoomMember, change: WaitingChange): void {
    this.members.get(member)?.acks.add(change)
  }

  /** One of the member's changes is settled. */
  touch(member: RoomMember): void {
    const entry = this.members.get(member)
    if (entry === undefined || entry.isDue) return
    entry.isDue = true
    this.due.push(entry)
  }

  /** Acknowledges what can be. */
  release(): void {
    if (this.due.length === 0) return
    const { due } = this
    this.due = []
    for (const entry of due) {
      const { member, acks } = entry
      entry.isDue = false
      // It may have left meanwhile, or have come anew.
      if (this.members.get(member) !== entry) continue
      try {
        if (acks.release(member, this.coverage, this.observer)) this.touch(member)
      } catch (error) {
        // The others' acks do not wait for what is wrong with one (I7).
        this.observer.fault('an ack failed', error)
      }
    }
  }
}
