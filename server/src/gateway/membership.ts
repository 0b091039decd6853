/*
 * One session in one room, and how it gets and keeps what the room has: the initial state, the live topic, and what it
 * missed while it read too slowly. Both dialects go the same way; what their frames look like is their `MembershipWire`.
 */
import type { Access, ErrorCode, SyncMode } from '@weft/protocol'
import type { Seq } from '../ids.js'
import type { Prepared } from '../room/content.js'
import { readPage, type Room, type RoomHold, type RoomMember } from '../room/index.js'
import type { StoredEvent } from '../store/types.js'
import type { Dialect, RoomChannel } from './channel.js'
import type { Piece, Socket } from './socket.js'

/** What the frames of a dialect look like. */
export interface MembershipWire {
  ack(n: number, seq: Seq): void
  nack(n: number, code: ErrorCode, message: string): void
  /** The membership has ended by the room's decision. */
  ended(code: ErrorCode, message: string): void
  /** The initial state is about to come. */
  begin(mode: SyncMode): void
  /** Pieces of one update of the initial state, or of what was missed. */
  update(update: Uint8Array, initial: boolean): Iterable<Piece>
  /** A durable message, where the dialect has them. */
  message(event: StoredEvent): Iterable<Piece>
  /** The last part, null when there is nothing left: the member has everything now, and is live. */
  finish(update: Uint8Array | null, initial: boolean): void
}

/** What a member asks for. */
export type SyncRequest =
  | { readonly mode: 'full' }
  | { readonly mode: 'diff'; readonly stateVector: Uint8Array }
  | { readonly mode: 'resume'; readonly after: Seq }

/** Events that may be merged in the turn in which a member goes live. */
const lastPartEvents = 64

export class Membership implements RoomMember {
  readonly dialect: Dialect
  readonly socket: Socket
  readonly room: Room
  readonly channel: RoomChannel
  readonly user: string | null
  readonly clientId: string | null
  access: Access
  /** The next change number expected; null before the first (P21). */
  expected: number | null = null
  /** Whether the member has shown presence before. */
  presenceSeen = false
  private readonly hold: RoomHold<RoomChannel>
  private readonly wire: MembershipWire
  private state: 'new' | 'syncing' | 'live' | 'behind' | 'left' = 'new'
  private behindFrom: Seq = 0

  constructor(
    dialect: Dialect,
    socket: Socket,
    hold: RoomHold<RoomChannel>,
    wire: MembershipWire,
    who: { readonly user: string | null; readonly clientId: string | null; readonly access: Access },
  ) {
    this.dialect = dialect
    this.socket = socket
    this.hold = hold
    this.room = hold.room
    this.channel = hold.output
    this.channel.attach(hold.room)
    this.wire = wire
    this.user = who.user
    this.clientId = who.clientId
    this.access = who.access
    this.room.join(this)
  }

  get hasLeft(): boolean {
    return this.state === 'left'
  }

  get isLive(): boolean {
    return this.state === 'live'
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

  /** Sends the initial state and goes live. @throws when the content cannot be read */
  async sync(request: SyncRequest): Promise<void> {
    await this.bring(request, true)
  }

  /** Brings what a further state vector lacks to a member that is live already (a stock client that resyncs). */
  async resync(stateVector: Uint8Array): Promise<void> {
    const { content } = this.room
    const pin = content.pin(content.baseSeq)
    try {
      const prepared = await content.diff(stateVector)
      if (!(await this.socket.transfer(this.pieces(prepared, true)))) return
      this.wire.finish(this.room.rest(prepared.upTo).update, true)
    } finally {
      pin.release()
    }
  }

  /** A published frame was dropped: off the live topic until the client has read what waits. */
  fellBehind(): void {
    if (this.state !== 'live') return
    this.state = 'behind'
    this.behindFrom = this.channel.safeSeq
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

  private async bring(request: SyncRequest, initial: boolean): Promise<void> {
    this.state = 'syncing'
    const { room } = this
    // What is committed while the state is on its way must still be in memory at its end.
    const pin = room.content.pin(Math.min(room.content.baseSeq, room.head))
    try {
      const at =
        request.mode === 'resume'
          ? await this.sendMissed(request.after, initial)
          : await this.sendState(request, initial)
      if (at === null || this.hasLeft) return
      // One turn from here: nothing falls between the last part and the live topic.
      const rest = room.rest(at)
      for (const event of rest.messages) {
        if (request.mode === 'resume')
          for (const piece of this.wire.message(event)) this.socket.sendPiece(piece)
      }
      this.wire.finish(rest.update, initial)
      if (this.socket.isOpen()) {
        this.state = 'live'
        this.channel.subscribe(this)
      }
    } finally {
      pin.release()
    }
  }

  /** @returns the seq up to which it was sent, or null when the socket closed */
  private async sendState(
    request: Exclude<SyncRequest, { mode: 'resume' }>,
    initial: boolean,
  ): Promise<Seq | null> {
    const { content } = this.room
    const prepared = request.mode === 'full' ? await content.full() : await content.diff(request.stateVector)
    if (this.hasLeft) return null
    if (initial) this.wire.begin(request.mode)
    return (await this.socket.transfer(this.pieces(prepared, initial))) ? prepared.upTo : null
  }

  private async sendMissed(after: Seq, initial: boolean): Promise<Seq | null> {
    if (initial) this.wire.begin('resume')
    let at = after
    // A few last events go with the last part; what is older comes page by page, from memory or the log.
    for (;;) {
      const held = this.room.tail.after(at)
      if (held !== null && held.length <= lastPartEvents) return at
      const page = held?.slice(0, readPage) ?? (await this.room.readLog(at))
      const update = await this.room.content.merge(
        page.filter(({ kind }) => kind === 'update').map(({ payload }) => payload),
      )
      if (!(await this.socket.transfer(this.missedPieces(page, update, initial)))) return null
      at = page.at(-1)?.seq ?? at
    }
  }

  private *pieces(prepared: Prepared, initial: boolean): Generator<Piece> {
    for (const update of prepared.updates) yield* this.wire.update(update, initial)
  }

  private *missedPieces(
    page: readonly StoredEvent[],
    update: Uint8Array | null,
    initial: boolean,
  ): Generator<Piece> {
    if (update !== null) yield* this.wire.update(update, initial)
    for (const event of page) if (event.kind === 'message') yield* this.wire.message(event)
  }
}
