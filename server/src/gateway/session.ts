import { ProtocolError, type SessionLimits } from '@weft/protocol'
import type { ErrorCode } from '@weft/protocol'
import type { Authority, Identity } from '../auth/index.js'
import { DocWorkerError } from '../compaction/index.js'
import { UpdateInvalidError } from '../crdt/index.js'
import type { Admission, LimitName, RateLimits } from '../limits/index.js'
import type { HistoryReads, Rooms } from '../room/index.js'
import type { LoopLine, LoopTurns, Share } from '../tenants/index.js'
import type { RoomChannel } from './channel.js'

export interface GatewayLimits extends SessionLimits {
  /** Milliseconds until a connection must have said HELLO. */
  readonly helloMs: number
  /** Milliseconds; see WELCOME. */
  readonly heartbeatMs: number
  /** Milliseconds that a client may take nothing of what waits for it. */
  readonly slowMs: number
  /** Milliseconds after which the authorization hook is asked again about those who are in a room; 0 for never. */
  readonly reviewMs: number
  /** Awareness entries in one frame. Stock clients send everybody's at once when they hear them. */
  readonly presenceEntries: number
  /** How fast a connection may send. */
  readonly rate: RateLimits
}

/** What the upgrade request said. */
export interface UpgradeRequest {
  /** Of a stock client: the path after `/yjs/`, not decoded. */
  readonly path: string
  readonly token: string | null
}

/** Counts what sessions see. */
export interface SessionObserver {
  error(code: ErrorCode): void
  /** A limit was reached. */
  limited(limit: LimitName): void
  /** A fault of the server while handling a client's frame. */
  fault(message: string, error: unknown): void
  behind(): void
  /** Something an operator may want to see of a connection. */
  info(message: string, details: Record<string, unknown>): void
}

/** What sessions share on a node. */
export interface SessionContext {
  /** Names this server process. */
  readonly node: string
  readonly limits: GatewayLimits
  readonly auth: Pick<Authority, 'open' | 'verify' | 'permit'>
  /** Counts connections of users and tenants. */
  readonly admission: Admission
  readonly loop: LoopTurns
  readonly rooms: Rooms<RoomChannel>
  readonly history: HistoryReads
  readonly observer: SessionObserver
}

/** A connection of either dialect, as the gateway drives it. */
export interface Session {
  /** One message; the bytes are the session's own. */
  message(bytes: Uint8Array): void
  textMessage(): void
  /** A ping of the WebSocket itself, which has been answered. */
  pinged(): void
  /** Called about once a second. @param now `performance.now()` */
  tick(now: number): void
  /**
   * The node shuts down: tell the client to come back after `delay` milliseconds, and take no change any more. One that
   * waits for acks stays until `shutDown`.
   */
  drain(delay: number): void
  /** Who the client is, once that is known. */
  readonly identity: Identity | null
  /** What the client may do may have changed, in one room or (null) in all: ask again. */
  review(room: string | null): void
  /** Ends the connection. @param final whether the client should not come back by itself */
  disconnect(final: boolean): void
  /** What could be acknowledged has been: close. */
  shutDown(): void
  /** The socket has closed. */
  closed(): void
}

/** setTimeout's longest delay. */
const maxTimeout = 2 ** 31 - 1

/** Calls back at a time that may be further away than a timer reaches. @returns how to cancel it */
export const at = (time: number, callback: () => void): (() => void) => {
  let timer: NodeJS.Timeout
  const arm = (): void => {
    const left = time - Date.now()
    timer = setTimeout(
      () => (left > maxTimeout ? arm() : callback()),
      Math.min(Math.max(0, left), maxTimeout),
    )
  }
  arm()
  return () => clearTimeout(timer)
}

/** Memory that a waiting frame takes beside its bytes. An estimate for the limit. */
const frameOverhead = 128

/** Bytes that may wait of a client that is not known yet: before WELCOME, or before a stock client's room is open. */
export const strangerBytes = 1024 * 1024

/** Messages that have been handled and are still referred to, at most. */
const keptHandled = 16

/** What handles the messages of an inbox. */
export interface InboxOwner {
  /** @returns null when it is done at once */
  handle(bytes: Uint8Array): Promise<void> | null
  /** @param error what `handle` threw, or rejected with */
  failed(error: unknown): void
}

/**
 * Handles messages one after the other, also when handling one takes a while (a token to verify, a large update in a
 * worker): later ones wait, in order. They wait as well while others have their turn of the event loop.
 */
export class Inbox {
  /** Whose time it takes to handle them; null where that is counted already. */
  line: LoopLine | null = null
  private readonly owner: InboxOwner
  private waiting: Uint8Array[] = []
  /** Those before it have been handled. */
  private next = 0
  private bytes = 0
  /** One is being handled, or waits for its turn. */
  private busy = false
  private closed = false
  private finished: (() => void) | null = null
  private memory: Share | null = null

  constructor(owner: InboxOwner) {
    this.owner = owner
  }

  /** Bytes that wait, with what a frame costs beside its own: a flood of empty ones is bounded too. */
  get waitingBytes(): number {
    return this.bytes
  }

  /** What waits counts among what the tenant's clients may have waiting. */
  account(memory: Share): void {
    if (this.memory !== null || this.closed) return
    this.memory = memory
    memory.add(this.bytes)
  }

  /** Whether all clients of the tenant have more waiting than they may. */
  get isOverShare(): boolean {
    return this.memory?.fits(0) === false
  }

  private grow(bytes: number): void {
    this.bytes += bytes
    this.memory?.add(bytes)
  }

  add(bytes: Uint8Array): void {
    if (this.closed || this.finished !== null) return
    if (!this.busy && this.line?.isOver !== true) {
      const pending = this.run(bytes)
      if (pending !== null) this.goOnAfter(pending)
      return
    }
    this.waiting.push(bytes)
    this.grow(bytes.length + frameOverhead)
    if (!this.busy) this.waitForTurn(this.line)
  }

  get isFinishing(): boolean {
    return this.finished !== null
  }

  /** Takes nothing more in. @param done called when what waits has been handled */
  finish(done: () => void): void {
    this.finished = done
    if (!this.busy) done()
  }

  /** Nothing more is handled. */
  close(): void {
    this.closed = true
    this.waiting = []
    this.next = 0
    this.grow(-this.bytes)
  }

  private run(bytes: Uint8Array): Promise<void> | null {
    const { line } = this
    const began = line === null ? 0 : performance.now()
    try {
      return this.owner.handle(bytes)
    } catch (error) {
      this.owner.failed(error)
      return null
    } finally {
      line?.spend(performance.now() - began)
    }
  }

  private waitForTurn(line: LoopLine | null): void {
    this.busy = true
    line?.wait(this.goOn)
  }

  private goOnAfter(pending: Promise<void>): void {
    this.busy = true
    pending
      .catch((error: unknown) => this.owner.failed(error))
      .then(this.goOn)
      .catch((error: unknown) => this.owner.failed(error))
  }

  /** Handles what waits, until one takes a while or the turn is over. */
  private readonly goOn = (): void => {
    this.busy = false
    for (let bytes = this.waiting[this.next]; bytes !== undefined; bytes = this.waiting[this.next]) {
      if (this.line?.isOver === true) {
        this.waitForTurn(this.line)
        return
      }
      this.next++
      this.grow(-bytes.length - frameOverhead)
      // What has been handled is let go of, also when the client never pauses.
      if (this.next === keptHandled) {
        this.waiting = this.waiting.slice(this.next)
        this.next = 0
      }
      const pending = this.run(bytes)
      if (pending === null) continue
      this.goOnAfter(pending)
      return
    }
    this.waiting = []
    this.next = 0
    if (!this.closed) this.finished?.()
  }
}

/** An error that a client can be told of, or null for a fault of the server. */
export const tellable = (error: unknown): ProtocolError | null => {
  if (error instanceof ProtocolError) return error
  if (error instanceof UpdateInvalidError) return new ProtocolError('invalid_update', error.message)
  if (error instanceof DocWorkerError && error.retryable) {
    return new ProtocolError('overloaded', 'the server has too much to do; try again later')
  }
  return null
}
