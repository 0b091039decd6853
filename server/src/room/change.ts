import type { Id, Inspection } from '../crdt/index.js'
import type { RoomId, Seq } from '../ids.js'
import type { JournalEntry, JournalResult } from '../journal/index.js'
import type { WaitingChange } from './acks.js'
import type { RelayItem } from './relay.js'
import type { RoomMember } from './types.js'
import type { UncommittedUpdate } from './uncommitted.js'

const noDependencies: readonly Id[] = []

/** What a member sent. */
export interface ChangeContent {
  /** The message's name; null for an update. */
  readonly name: string | null
  readonly payload: Uint8Array
  /** What an update holds and refers to; null for a message. */
  readonly inspection: Inspection | null
  /** Whether the update counts only as the first content of the room. Default: false. */
  readonly seed?: boolean
}

/**
 * One change on its way through a room: relayed, journaled, acknowledged. One object for all of it: a room that is typed
 * in makes thousands a second, and what they cost is mostly their collection.
 */
export class Change implements JournalEntry, RelayItem, WaitingChange, UncommittedUpdate {
  readonly roomId: RoomId
  readonly epoch: number
  readonly author: string | null
  readonly clientId: string | null
  readonly clientSeq: number | null
  readonly name: string | null
  readonly payload: Uint8Array
  readonly inspection: Inspection | null
  readonly seed: boolean
  readonly sender: RoomMember
  /** `performance.now()` of its arrival. */
  readonly arrived: number
  /** Its number on the bus, 0 when it is not relayed to other nodes. */
  number = 0
  seq: Seq | null = null
  place = -1
  dropped = false
  private readonly room: {
    readonly id: RoomId
    readonly epoch: number
    settle(change: Change, result: JournalResult): void
  }

  constructor(
    room: Change['room'],
    sender: RoomMember,
    n: number | null,
    content: ChangeContent,
    arrived: number,
  ) {
    this.room = room
    this.roomId = room.id
    this.epoch = room.epoch
    this.author = sender.user
    this.clientId = sender.clientId
    this.clientSeq = n
    this.name = content.name
    this.payload = content.payload
    this.inspection = content.inspection
    this.seed = content.seed === true
    this.sender = sender
    this.arrived = arrived
  }

  get kind(): 'update' | 'message' {
    return this.inspection === null ? 'message' : 'update'
  }

  get n(): number {
    return this.clientSeq ?? 0
  }

  get deps(): readonly Id[] {
    return this.inspection?.deps ?? noDependencies
  }

  settle(result: JournalResult): void {
    this.room.settle(this, result)
  }
}
