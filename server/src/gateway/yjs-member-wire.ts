import type { ErrorCode } from '@weft/protocol'
import type { MembershipWire } from './membership.js'
import type { Piece, Socket } from './socket.js'
import { emptyUpdate, encodeStep2, encodeUpdate, updateHeader } from './yjs-wire.js'

/** Bytes of a large update in one fragment of its message. */
const fragmentBytes = 64 * 1024

/** What the wire of a stock client belongs to. */
export interface YjsWireOwner {
  readonly socket: Socket
  /** Ends the connection: a stock client cannot be told otherwise. */
  refused(code: ErrorCode, message: string): void
}

/** The frames of a stock Yjs client. It has no acks, and no durable messages. */
export class YjsWire implements MembershipWire {
  private readonly owner: YjsWireOwner

  constructor(owner: YjsWireOwner) {
    this.owner = owner
  }

  ack(): void {
    // Stock clients do not wait for one.
  }

  /** A change that is refused after all (quarantined) would come again with every reconnect: its code says not to. */
  nack(_n: number, code: ErrorCode, message: string): void {
    this.owner.refused(code, message)
  }

  ended(code: ErrorCode, message: string): void {
    this.owner.refused(code, message)
  }

  begin(): void {
    // The state itself is all that comes.
  }

  *update(update: Uint8Array): Generator<Piece> {
    if (update.length <= fragmentBytes) {
      const frame = encodeUpdate(update)
      yield (ws) => ws.send(frame, true)
      return
    }
    // One message in fragments: paced, and never copied whole.
    yield (ws) => ws.sendFirstFragment(updateHeader(update.length), true)
    for (let start = 0; start < update.length; start += fragmentBytes) {
      const end = Math.min(start + fragmentBytes, update.length)
      const fragment = update.subarray(start, end)
      yield end < update.length ? (ws) => ws.sendFragment(fragment) : (ws) => ws.sendLastFragment(fragment)
    }
  }

  *message(): Generator<Piece> {
    // y-protocols has no durable messages.
  }

  lastMessage(): void {
    // Nor here.
  }

  lastUpdates(updates: readonly Uint8Array[]): void {
    for (const update of updates) this.owner.socket.send(encodeUpdate(update))
  }

  finish(update: Uint8Array | null, initial: boolean): void {
    const { socket } = this.owner
    // The last part of the state is the step 2: `synced` then means that the content is there (P39).
    if (initial) socket.send(encodeStep2(update ?? emptyUpdate))
    else if (update !== null) socket.send(encodeUpdate(update))
  }
}
