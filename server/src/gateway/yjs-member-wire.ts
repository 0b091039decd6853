import type { Access, ErrorCode } from '@weft/protocol'
import type { MembershipWire } from './membership.js'
import type { Piece, Socket } from './socket.js'
import { emptyUpdate, encodeSharedUpdate, encodeStep2, encodeUpdate, updateHeader } from './yjs-wire.js'

/** Bytes of a large update in one fragment of its message. */
const fragmentBytes = 64 * 1024

/** What the wire of a stock client belongs to. */
export interface YjsWireOwner {
  readonly socket: Socket
  /** Everything of the client up to change `n` is committed. */
  acked(n: number): void
  accessChanged(access: Access, message: string): void
  /** Ends the connection: a stock client cannot be told otherwise. */
  refused(code: ErrorCode, message: string): void
}

/** The frames of a stock Yjs client. It has no durable messages. */
export class YjsWire implements MembershipWire {
  /** A message is on its way in fragments: it has to be brought to its end. */
  isMidMessage = false
  protected readonly owner: YjsWireOwner
  private readonly address: Uint8Array | undefined

  /** @param address what goes before each message */
  constructor(owner: YjsWireOwner, address?: Uint8Array) {
    this.owner = owner
    this.address = address
  }

  ack(n: number): void {
    this.owner.acked(n)
  }

  /** A change that is refused after all (quarantined) would come again with every reconnect: its code says not to. */
  nack(_n: number, code: ErrorCode, message: string): void {
    this.owner.refused(code, message)
  }

  ended(code: ErrorCode, message: string): void {
    this.owner.refused(code, message)
  }

  access(access: Access, message: string): void {
    this.owner.accessChanged(access, message)
  }

  begin(): void {
    // The state itself is all that comes.
  }

  *update(update: Uint8Array): Generator<Piece> {
    if (update.length <= fragmentBytes) {
      const frame =
        this.address === undefined ? encodeSharedUpdate(update) : encodeUpdate(update, this.address)
      yield (ws) => ws.send(frame, true)
      return
    }
    // One message in fragments: paced, and never copied whole.
    yield (ws) => {
      this.beginFragments()
      return ws.sendFirstFragment(updateHeader(update.length, this.address), true)
    }
    for (let start = 0; start < update.length; start += fragmentBytes) {
      const end = Math.min(start + fragmentBytes, update.length)
      const fragment = update.subarray(start, end)
      if (end < update.length) yield (ws) => ws.sendFragment(fragment)
      else {
        yield (ws) => {
          const result = ws.sendLastFragment(fragment)
          this.endFragments()
          return result
        }
      }
    }
  }

  protected beginFragments(): void {
    this.isMidMessage = true
  }

  protected endFragments(): void {
    this.isMidMessage = false
  }

  *message(): Generator<Piece> {
    // y-protocols has no durable messages.
  }

  lastMessage(): void {
    // Nor here.
  }

  lastUpdates(updates: readonly Uint8Array[]): void {
    for (const update of updates) this.owner.socket.send(encodeUpdate(update, this.address))
  }

  finish(update: Uint8Array | null, initial: boolean): void {
    const { socket } = this.owner
    // The last part of the state is the step 2: `synced` then means that the content is there (P39).
    if (initial) socket.send(encodeStep2(update ?? emptyUpdate, this.address))
    else if (update !== null) socket.send(encodeUpdate(update, this.address))
  }
}
