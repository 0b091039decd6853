/*
 * One session in one room, and how it gets and keeps what the room has: the initial state, the live topic, and what it
 * missed while it read too slowly. All dialects go the same way; what their frames look like is their `MembershipWire`.
 */
import * as Y from 'yjs'
import type { Access, ErrorCode, SyncMode } from '@weft/protocol'
import { accessOf, type Permissions } from '../auth/index.js'
import type { Seq } from '../ids.js'
import type { Prepared } from '../room/content.js'
import { readPage, type PackedEvent, type Room, type RoomHold, type RoomMember } from '../room/index.js'
import type { StoredEvent } from '../store/types.js'
import type { Dialect, RoomChannel } from './channel.js'
import type { Piece, Socket } from './socket.js'

/** What the frames of a dialect look like. */
export interface MembershipWire {
  /** Whether a message is on its way in fragments, and has to be brought to its end even for a member that left. */
  readonly isMidMessage: boolean
  ack(n: number, seq: Seq): void
  nack(n: number, code: ErrorCode, message: string): void
  /** The membership has ended by the room's decision. */
  ended(code: ErrorCode, message: string): void
  /** What the member may do has changed. */
  access(access: Access, message: string): void
  /** The initial state is about to come. */
  begin(mode: SyncMode): void
  /** Pieces of one update of the initial state, or of what was missed. */
  update(update: Uint8Array, initial: boolean): Iterable<Piece>
  /** A durable message, where the dialect has them. */
  message(event: StoredEvent): Iterable<Piece>
  /** The same in the last part, where the turn may not be left: it waits in the socket's queue if it has to. */
  lastMessage(event: StoredEvent): void
  /** Updates before the last part, each as it is; they are sent in this turn. */
  lastUpdates(updates: readonly Uint8Array[], initial: boolean): void
  /** The last part, null when there is nothing left: the member has everything now, and is live. */
  finish(update: Uint8Array | null, initial: boolean): void
}

/** What a member asks for. */
export type SyncRequest =
  | { readonly mode: 'full' }
  | { readonly mode: 'diff'; readonly stateVector: Uint8Array }
  | { readonly mode: 'resume'; readonly after: Seq }

/** Events, and their bytes, that may be merged and sent in the turn in which a member goes live. */
const lastPart = { events: 64, bytes: 64 * 1024 } as const
/** Rounds of catching up with a room that is never quiet, after which the last part may be larger, up to a page. */
const maxRounds = 8
/** Bytes of what was missed that are merged into one update. */
const pageBytes = 4 * 1024 * 1024
const patientPart = { events: readPage, bytes: pageBytes } as const

export class Membership implements RoomMember {
  readonly dialect: Dialect
  readonly socket: Socket
  readonly room: Room
  readonly channel: RoomChannel
  readonly user: string | null
  readonly connection: string
  readonly clientId: string | null
  /** What frames the client may send. */
  permissions: Permissions
  /** What the frames of this member alone begin with; null for one that gets the same bytes as all of its dialect. */
  readonly address: Uint8Array | null
  /** One more than the highest change number that was decided upon (P21); lower ones came already. */
  next = 1
  /** The change with a retryable refusal, until it comes again (P23). */
  refused: number | null = null
  /** Whether the member has shown presence before. */
  presenceSeen = false
  private readonly hold: RoomHold<RoomChannel>
  private readonly wire: MembershipWire
  private state: 'new' | 'syncing' | 'live' | 'behind' | 'left' = 'new'
  private behindFrom: Seq = 0
  /** The head when it went live: it was sent everything up to there. */
  private liveFrom: Seq = 0
  /** One at a time: a stock client may ask for its state again while it is being caught up. */
  private bringing: Promise<void> = Promise.resolve()

  constructor(
    dialect: Dialect,
    socket: Socket,
    hold: RoomHold<RoomChannel>,
    wire: MembershipWire,
    who: {
      readonly user: string | null
      /** The session's id. */
      readonly connection: string
      readonly clientId: string | null
      readonly permissions: Permissions
      /** See `Membership.address`. */
      readonly address?: Uint8Array
    },
  ) {
    this.dialect = dialect
    this.socket = socket
    this.hold = hold
    this.room = hold.room
    this.channel = hold.output
    this.channel.attach(hold.room)
    this.wire = wire
    this.user = who.user
    this.connection = who.connection
    this.clientId = who.clientId
    this.permissions = who.permissions
    this.address = who.address ?? null
    this.room.join(this)
  }

  get hasLeft(): boolean {
    return this.state === 'left'
  }

  get isLive(): boolean {
    return this.state === 'live'
  }

  get access(): Access {
    return accessOf(this.permissions)
  }

  /** Another grant counts from now on: the client is told when it is one to read, or to write, that it was not. */
  permit(permissions: Permissions, why: string): void {
    const before = this.permissions
    this.permissions = permissions
    if (before.presence && !permissions.presence) this.room.presence.drop(this)
    if (before.write !== permissions.write) this.wire.access(this.access, why)
  }

  /** Change `n` was accepted, or refused for good. */
  decided(n: number): void {
    this.next = Math.max(this.next, n + 1)
    this.refused = null
  }

  ack(n: number, seq: Seq): void {
    this.wire.ack(n, seq)
  }

  nack(n: number, code: ErrorCode, message: string): void {
    this.wire.nack(n, code, message)
  }

  /** The room ends the membership. */
  end(code: ErrorCode, message: string): void {
    if (!this.leave()) return
    this.wire.ended(code, message)
  }

  /**
   * Sends the state that the member asks for, and goes live. Also to a member that is live already (a stock client that
   * resyncs): it is off the live topic meanwhile, since nothing may fall between the fragments of a message.
   * @throws when the content cannot be read
   */
  async sync(request: SyncRequest): Promise<void> {
    await this.bring(request, true)
  }

  /** A published frame was dropped: off the live topic until the client has read what waits. */
  fellBehind(): void {
    if (this.state !== 'live') return
    this.state = 'behind'
    // What went with the last part cannot be dropped, and is newer than what was safe in a room that had no members.
    this.behindFrom = Math.max(this.channel.safeSeq, this.liveFrom)
    this.channel.unsubscribe(this)
  }

  /** Brings what was missed, and goes live again. */
  async catchUp(): Promise<void> {
    if (this.state !== 'behind') return
    await this.bring({ mode: 'resume', after: this.behindFrom }, false)
  }

  /** @returns whether it was in the room */
  leave(): boolean {
    if (this.state === 'left') return false
    this.channel.unsubscribe(this)
    this.state = 'left'
    this.room.leave(this)
    this.hold.release()
    return true
  }

  private bring(request: SyncRequest, initial: boolean): Promise<void> {
    this.beginSync()
    const brought = this.bringing.then(() => this.bringNow(request, initial))
    this.bringing = brought.catch(() => undefined)
    return brought
  }

  private beginSync(): void {
    if (this.state === 'left') return
    this.state = 'syncing'
    this.channel.unsubscribe(this)
  }

  private async bringNow(request: SyncRequest, initial: boolean): Promise<void> {
    this.beginSync()
    const { room } = this
    // What is committed while the state is on its way must still be in memory at its end.
    const from = request.mode === 'resume' ? request.after : room.head
    const pin = room.content.pin(Math.min(from, room.content.baseSeq))
    try {
      if (request.mode === 'resume') await this.bringMissed(request.after, initial)
      else await this.bringState(request, initial)
    } finally {
      pin.release()
    }
  }

  private async bringState(
    request: Exclude<SyncRequest, { mode: 'resume' }>,
    initial: boolean,
  ): Promise<void> {
    const { content } = this.room
    const prepared = request.mode === 'full' ? await content.full() : await content.diff(request.stateVector)
    if (this.hasLeft) return
    // Messages up to JOINED's head are history; what is committed after it is news (P18).
    const news = this.room.head
    if (initial) this.wire.begin(request.mode)
    if (!(await this.socket.transfer(this.pieces(prepared, initial)))) return
    // A snapshot may hold what this node has not heard of yet: messages that it covers are news all the same.
    await this.bringRest(Math.min(prepared.upTo, news), news, initial)
  }

  private async bringMissed(after: Seq, initial: boolean): Promise<void> {
    if (this.hasLeft) return
    if (initial) this.wire.begin('resume')
    await this.bringRest(after, after, initial)
  }

  /**
   * Brings what follows `after`, page by page while it is much, then the last part, and goes live.
   * @param messagesAfter durable messages up to this seq are not sent
   */
  private async bringRest(after: Seq, messagesAfter: Seq, initial: boolean): Promise<void> {
    const { room } = this
    let at = after
    let uncommittedFrom = 0
    for (let round = 1; this.state === 'syncing'; round++) {
      const held = room.tail.after(at)
      const uncommitted = room.events.uncommittedFrom(uncommittedFrom)
      // A room that is typed in by many may never be quiet: after some rounds the last part may be larger, and is bounded
      // still (I6). What is beyond a hole goes with it in any case: see `maxAheadBytes`.
      const limits = round > maxRounds ? patientPart : lastPart
      const fits = (events: readonly PackedEvent[] | null, updates: readonly Uint8Array[]): boolean =>
        events !== null && isWithin(events, limits) && isWithin(updates, limits)
      if (fits(held, uncommitted)) {
        const open = await this.socket.transfer(noPieces(), () => {
          // More may have come when it is this transfer's turn: then once more.
          if (fits(room.tail.after(at), room.events.uncommittedFrom(uncommittedFrom)))
            this.goLive(room.rest(at, uncommittedFrom), messagesAfter, initial)
        })
        if (!open) return
      } else if (held !== null && isWithin(held, lastPart)) {
        // The database is away, or slow: what waits for it is merged in a worker.
        uncommittedFrom = room.events.uncommittedEnd
        const update = await room.content.merge(uncommitted)
        if (!(await this.socket.transfer(this.missedPieces([], update, initial)))) return
      } else {
        const page = held === null ? await room.readLog(at) : pageOf(held)
        const update = await room.content.merge(
          page.filter(({ kind }) => kind === 'update').map(({ payload }) => payload),
        )
        const news = page.filter(({ kind, seq }) => kind === 'message' && seq > messagesAfter)
        if (!(await this.socket.transfer(this.missedPieces(news, update, initial)))) return
        at = page.at(-1)?.seq ?? at
      }
    }
  }

  /** In one turn: the last part, and onto the live topic. Nothing falls between. */
  private goLive(rest: ReturnType<Room['rest']>, messagesAfter: Seq, initial: boolean): void {
    if (this.state !== 'syncing') return
    for (const event of rest.messages) if (event.seq > messagesAfter) this.wire.lastMessage(event)
    const { updates } = rest
    // Many are not merged here: that takes longer than sending them.
    const last = isWithin(updates, lastPart) ? mergeFew(updates) : null
    if (last === null) this.wire.lastUpdates(updates, initial)
    this.wire.finish(last, initial)
    if (!this.socket.isOpen()) return
    this.liveFrom = this.room.head
    if (this.socket.isBehind) {
      // The last part may wait in the socket's queue: what is published would overtake it. `catchUp` comes once it is read.
      this.state = 'behind'
      this.behindFrom = this.liveFrom
      return
    }
    this.state = 'live'
    this.channel.subscribe(this)
  }

  private *pieces(prepared: Prepared, initial: boolean): Generator<Piece> {
    for (const update of prepared.updates) {
      for (const piece of this.wire.update(update, initial)) {
        // What a member that left is still owed does not come (P15).
        if (this.hasLeft && !this.wire.isMidMessage) return
        yield piece
      }
    }
  }

  private *missedPieces(
    page: readonly StoredEvent[],
    update: Uint8Array | null,
    initial: boolean,
  ): Generator<Piece> {
    if (update !== null) {
      for (const piece of this.wire.update(update, initial)) {
        if (this.hasLeft && !this.wire.isMidMessage) return
        yield piece
      }
    }
    for (const event of page) {
      if (this.hasLeft) return
      if (event.kind === 'message') yield* this.wire.message(event)
    }
  }
}

const isWithin = (
  parts: readonly { readonly byteLength: number }[],
  limits: { readonly events: number; readonly bytes: number },
): boolean => {
  if (parts.length > limits.events) return false
  let bytes = 0
  for (const { byteLength } of parts) bytes += byteLength
  return bytes <= limits.bytes
}

const mergeFew = (updates: readonly Uint8Array[]): Uint8Array | null => {
  const [only] = updates
  if (only === undefined || updates.length === 1) return only ?? null
  return Y.mergeUpdates([...updates])
}

/** The events that are merged and sent at once: what is merged is held in memory twice. */
const pageOf = (events: readonly StoredEvent[]): readonly StoredEvent[] => {
  let bytes = 0
  const end = events.findIndex((event, index) => {
    bytes += event.payload.length
    return index > 0 && (index === readPage || bytes > pageBytes)
  })
  return end < 0 ? events : events.slice(0, end)
}

const noPieces = (): Iterator<Piece> => [].values()
