/* What the connections of all dialects have in common: messages one after the other, the end of a token, the end of a connection. */
import { closeCodeFor, ProtocolError } from '@weft/protocol'
import type { Identity } from '../auth/index.js'
import { MessageRate, type Place } from '../limits/index.js'
import { at, Inbox, strangerBytes, tellable, type Session, type SessionContext } from './session.js'
import type { Socket, SocketEvents } from './socket.js'

export abstract class BaseSession implements Session, SocketEvents {
  readonly context: SessionContext
  readonly socket: Socket
  protected readonly id: string
  protected readonly inbox: Inbox
  private readonly rate = new MessageRate()
  /** In the counts of its user and tenant. */
  private place: Place | null = null
  private lastReview = performance.now()
  private cancelExpiry: (() => void) | null = null

  constructor(id: string, socket: Socket, context: SessionContext) {
    this.id = id
    this.socket = socket
    this.context = context
    this.inbox = new Inbox(this)
  }

  /** Whether the server knows who the client is: a stranger is granted less memory. */
  protected abstract readonly isKnown: boolean

  /** One message. @returns null when it was handled at once. @throws what ends the connection */
  abstract handle(bytes: Uint8Array): Promise<void> | null

  abstract readonly identity: Identity | null
  abstract review(room: string | null): void
  abstract drain(delay: number): void
  abstract fellBehind(): void
  abstract caughtUp(): void

  /** Tells the client why the connection ends, where the dialect can. */
  protected abstract tell(error: ProtocolError): void

  /** Tells the client that it is half way to being closed, where the dialect can. */
  protected abstract warn(error: ProtocolError): void

  message(bytes: Uint8Array): void {
    const now = performance.now()
    this.socket.lastReceived = now
    if (!this.isInPace(now, bytes.length)) return
    this.inbox.add(bytes)
    const allowed = 2 * this.context.limits.frameBytes
    const { waitingBytes } = this
    if (
      waitingBytes > (this.isKnown ? allowed : Math.min(strangerBytes, allowed)) ||
      (waitingBytes > 0 && this.inbox.isOverShare)
    ) {
      this.fail(new ProtocolError('overloaded', 'too many messages wait to be handled'))
    }
  }

  pinged(): void {
    this.isInPace(performance.now(), 0)
  }

  /** Counts a message of the client (P75). @returns false when it is one too many, and the connection ends */
  protected isInPace(now: number, bytes: number, frames = 1): boolean {
    const { limits } = this.context
    const pace = this.rate.take(limits.rate, now, bytes, frames)
    if (pace === 'fine') return true
    const error = new ProtocolError(
      'rate_limited',
      pace === 'warn'
        ? 'too many messages or bytes: the connection will be closed if it goes on'
        : 'too many messages or bytes',
      this.rate.restMs(limits.rate),
    )
    if (pace === 'warn') {
      this.warn(error)
      return true
    }
    if (!this.socket.isOpen() || this.inbox.isFinishing) return false
    this.context.observer.limited('rate')
    // What came before is taken.
    this.inbox.finish(() => this.fail(error))
    return false
  }

  /**
   * Counts the connection to whom its token names, once.
   * @throws {ProtocolError} too_many_connections (P74)
   */
  protected takePlace({ tenant, user }: Identity): void {
    if (this.place !== null) return
    this.place = this.context.admission.enter(tenant, user)
    const line = this.context.loop.of(tenant)
    this.inbox.line = line
    this.inbox.account(line.memory)
  }

  /** Bytes of messages that wait to be handled. */
  protected get waitingBytes(): number {
    return this.inbox.waitingBytes
  }

  textMessage(): void {
    this.fail(new ProtocolError('invalid_frame', 'text messages are not part of the protocol'))
  }

  tick(now: number): void {
    const { reviewMs } = this.context.limits
    if (reviewMs > 0 && now - this.lastReview >= reviewMs) {
      this.lastReview = now
      this.review(null)
    }
    if (this.socket.isWaiting && now - this.socket.lastProgress > this.context.limits.slowMs) {
      this.fail(new ProtocolError('slow', 'the client has read nothing for too long'))
      return
    }
    if (!this.socket.isWaiting) this.socket.lastProgress = now
  }

  shutDown(): void {
    this.socket.end(closeCodeFor('draining'), 'the node is shutting down')
    this.closed()
  }

  disconnect(final: boolean): void {
    this.fail(
      final
        ? new ProtocolError('forbidden', 'disconnected by an administrator')
        : new ProtocolError('token_expired', 'a new token is needed'),
    )
  }

  tooSlow(reason: string): void {
    this.fail(new ProtocolError('slow', reason))
  }

  closed(): void {
    this.socket.closed()
    this.inbox.close()
    if (this.place !== null) this.context.admission.leave(this.place)
    this.place = null
    this.cancelExpiry?.()
    this.cancelExpiry = null
  }

  /** What handling a message threw. */
  failed(error: unknown): void {
    const told = tellable(error)
    if (told === null) this.context.observer.fault('handling a message failed', error)
    this.fail(told ?? new ProtocolError('internal', 'a fault of the server'))
  }

  /** Ends the connection when the token does, in place of an earlier token's end. */
  protected armExpiry({ expires }: Identity): void {
    this.cancelExpiry?.()
    this.cancelExpiry =
      expires === null
        ? null
        : at(expires, () => this.fail(new ProtocolError('token_expired', 'the token has expired')))
  }

  protected checkFrameSize(bytes: Uint8Array): void {
    if (bytes.length > this.context.limits.frameBytes)
      throw new ProtocolError('too_large', 'the message is too large')
  }

  /** Ends the connection with the close code of the error. */
  protected fail(error: ProtocolError): void {
    if (!this.socket.isOpen()) return
    this.context.observer.error(error.code)
    this.context.observer.info('connection ended', {
      session: this.id,
      code: error.code,
      reason: error.message,
    })
    this.tell(error)
    this.socket.end(closeCodeFor(error.code), error.message)
    this.closed()
  }
}
