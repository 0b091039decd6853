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
  /** Whether the room looks at it at the end of the batch. */
  isDue = false
  private queue: WaitingChange[] = []

  /** Changes not acknowledged yet. */
  get size(): number {
    return this.queue.length
  }

  add(change: WaitingChange): void {
    // A list that is made for one entry takes a tenth of one that is made empty and pushed to.
    if (this.queue.length === 0) this.queue = [change]
    else this.queue.push(change)
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

/**
 * The acks of a room's members: released together, after all of a batch is settled.
 *
 * Lists and flags, no sets: a set that is filled and emptied for each batch gets a new table each time, to which the old one
 * points; once one of them is in V8's old space all that come after it are kept until a full collection.
 */
export class RoomAcks {
  private readonly coverage: Coverage
  private readonly observer: RoomObserver
  private readonly members = new Map<RoomMember, MemberAcks>()
  /** Those with something to acknowledge after the batch that is being settled, or whose ack waits for what it refers to. */
  private due: RoomMember[] = []

  constructor(coverage: Coverage, observer: RoomObserver) {
    this.coverage = coverage
    this.observer = observer
  }

  get memberCount(): number {
    return this.members.size
  }

  join(member: RoomMember): void {
    this.members.set(member, new MemberAcks())
  }

  /** @returns whether it was there */
  leave(member: RoomMember): boolean {
    return this.members.delete(member)
  }

  /** Whether a member has as many changes waiting as it may. */
  isFull(member: RoomMember): boolean {
    return (this.members.get(member)?.size ?? 0) >= maxUnacked
  }

  /** Those who are here now. */
  all(): RoomMember[] {
    return [...this.members.keys()]
  }

  /** A change of a member waits for its ack, after those before it. */
  add(member: RoomMember, change: WaitingChange): void {
    this.members.get(member)?.add(change)
  }

  /** One of the member's changes is settled. */
  touch(member: RoomMember): void {
    const acks = this.members.get(member)
    if (acks === undefined || acks.isDue) return
    acks.isDue = true
    this.due.push(member)
  }

  /** Acknowledges what can be. */
  release(): void {
    if (this.due.length === 0) return
    const { due } = this
    this.due = []
    for (const member of due) {
      const acks = this.members.get(member)
      // It may have left meanwhile.
      if (acks === undefined) continue
      acks.isDue = false
      try {
        if (acks.release(member, this.coverage, this.observer)) this.touch(member)
      } catch (error) {
        // The others' acks do not wait for what is wrong with one (I7).
        this.observer.fault('an ack failed', error)
      }
    }
  }
}
