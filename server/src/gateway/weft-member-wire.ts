import {
  encodeServerFrame,
  syncHeader,
  WireLimits,
  type Access,
  type ErrorCode,
  type SyncMode,
  type SyncPart,
} from '@weft/protocol'
import type { Seq } from '../ids.js'
import type { Room } from '../room/index.js'
import type { StoredEvent } from '../store/types.js'
import { eventFrame } from './channel.js'
import type { MembershipWire } from './membership.js'
import type { Piece, Socket } from './socket.js'

/** What a wire of the Weft protocol belongs to. */
export interface WeftWireOwner {
  readonly socket: Socket
  /**
   * The room has ended the membership in it.
   * @param request of the JOIN, where that has not been answered: the client does not know the room's number yet
   */
  ended(room: number, code: ErrorCode, message: string, request: number | null): void
}

/** The frames of a member that speaks the Weft protocol. A class, not closures: every member of every room has one. */
export class WeftWire implements MembershipWire {
  /** Each piece is a frame. */
  readonly isMidMessage = false
  /** Whether JOINED has been sent. */
  begun = false
  private readonly owner: WeftWireOwner
  private readonly room: Room
  private readonly number: number
  private current: Access
  private readonly request: number

  /**
   * @param number the room's number on this node
   * @param request of the JOIN that is answered
   */
  constructor(owner: WeftWireOwner, room: Room, number: number, access: Access, request: number) {
    this.owner = owner
    this.room = room
    this.number = number
    this.current = access
    this.request = request
  }

  ack(n: number, seq: Seq): void {
    this.owner.socket.send(encodeServerFrame({ type: 'ack', room: this.number, n, seq }))
  }

  nack(n: number, code: ErrorCode, message: string): void {
    this.owner.socket.send(encodeServerFrame({ type: 'nack', room: this.number, n, code, message }))
  }

  ended(code: ErrorCode, message: string): void {
    this.owner.ended(this.number, code, message, this.begun ? null : this.request)
  }

  access(access: Access, message: string): void {
    this.current = access
    // JOINED tells it, before that has been sent.
    if (this.begun)
      this.owner.socket.send(encodeServerFrame({ type: 'access', room: this.number, access, message }))
  }

  begin(mode: SyncMode): void {
    this.begun = true
    const { number, request, current: access } = this
    const { epoch, head, stateVector } = this.room
    this.owner.socket.send(
      encodeServerFrame({ type: 'joined', request, room: number, epoch, head, access, mode, stateVector }),
    )
  }

  *update(update: Uint8Array, initial: boolean): Generator<Piece> {
    if (!initial) {
      const frame = this.updates([update])
      yield (ws) => ws.send(frame, true)
      return
    }
    const { syncChunkBytes } = WireLimits
    for (let start = 0; start < update.length; start += syncChunkBytes) {
      const end = Math.min(start + syncChunkBytes, update.length)
      const data = update.subarray(start, end)
      const header = syncHeader(this.number, end < update.length ? 'more' : 'update', data.length)
      // One message in two fragments: the state is not copied for each joiner.
      yield (ws) => {
        ws.sendFirstFragment(header, true)
        return ws.sendLastFragment(data)
      }
    }
  }

  *message(event: StoredEvent): Generator<Piece> {
    const frame = eventFrame(this.number, event)
    yield (ws) => ws.send(frame, true)
  }

  lastMessage(event: StoredEvent): void {
    this.owner.socket.send(eventFrame(this.number, event))
  }

  lastUpdates(updates: readonly Uint8Array[], initial: boolean): void {
    const { socket } = this.owner
    if (!initial) socket.send(this.updates(updates))
    else for (const update of updates) socket.send(this.sync('update', update))
  }

  finish(update: Uint8Array | null, initial: boolean): void {
    const { socket } = this.owner
    if (initial) socket.send(this.sync('done', update ?? new Uint8Array(0)))
    else if (update !== null) socket.send(this.updates([update]))
    // What was handed out is now complete up to here (P29).
    socket.send(encodeServerFrame({ type: 'watermark', room: this.number, seq: this.room.handed }))
  }

  private updates(updates: readonly Uint8Array[]): Uint8Array {
    return encodeServerFrame({ type: 'updates', room: this.number, updates })
  }

  private sync(part: SyncPart, data: Uint8Array): Uint8Array {
    return encodeServerFrame({ type: 'sync', room: this.number, part, data })
  }
}
