/* One document of a HocuspocusProvider's socket: its token, its membership, and the SyncStatuses that it waits for. */
import {
  checkRoomName,
  encodeValue,
  isRetryable,
  ProtocolError,
  WireLimits,
  type Access,
  type ErrorCode,
} from '@weft/protocol'
import { accessOf, type Identity, type Permissions } from '../auth/index.js'
import type { Inspection } from '../crdt/index.js'
import { admit, type Admitted } from './admit.js'
import { statelessName } from './channel.js'
import { HocuspocusWire, type HocuspocusWireOwner } from './hocuspocus-member-wire.js'
import type { HocuspocusSocket } from './hocuspocus-socket.js'
import {
  decodeHocuspocusMessage,
  encodeAddress,
  encodeAuthenticated,
  encodeClose,
  encodeDenied,
  encodeQueryAwareness,
  encodeTokenRequest,
  splitAddress,
  type HocuspocusMessage,
} from './hocuspocus-wire.js'
import { Membership } from './membership.js'
import { review } from './review.js'
import { Inbox, tellable, type InboxOwner, type SessionContext } from './session.js'
import type { Socket } from './socket.js'
import { StockDocument, type ChangeKind, type StockDialect } from './stock-document.js'
import { StatusSender } from './status-sender.js'
import { TokenTimers, type TokenHolder } from './token-timers.js'
import { encodeAwareness, encodeStep1 } from './yjs-wire.js'

/** Milliseconds in which what was relayed is committed, if need be by other nodes than that which took it in. */
const askAgainMs = 3_000
/** Bytes of a step 1 that are kept for a client that is not authenticated; instead of a longer one, the whole state comes. */
const keptVectorBytes = 8 * 1024
const emptyVector = new Uint8Array([0])

export class HocuspocusDocument implements InboxOwner, HocuspocusWireOwner, StockDialect, TokenHolder {
  readonly inbox = new Inbox(this)
  readonly context: SessionContext
  readonly socket: Socket
  /** Who the last good token belongs to, while it counts. */
  identity: Identity | null = null
  private readonly owner: HocuspocusSocket
  /** The address as a string. */
  private readonly name: string
  private readonly room: string
  private readonly hasSession: boolean
  private readonly address: Uint8Array
  private document: StockDocument | null = null
  readonly statuses: StatusSender
  private readonly timers = new TokenTimers(this)
  /** The provider's newest step 1: one that was denied may come back with another token alone. */
  private stateVector: Uint8Array | null = null
  /** Since the provider's last step 1. */
  private askedOnceMore = false

  constructor(owner: HocuspocusSocket, address: string) {
    this.owner = owner
    this.context = owner.context
    this.socket = owner.socket
    const { room, hasSession } = splitAddress(address)
    this.name = address
    this.room = room
    this.hasSession = hasSession
    this.address = encodeAddress(address)
    this.statuses = new StatusSender(owner, this.address)
  }

  get member(): Membership | null {
    return this.document?.member ?? null
  }

  /** Whether nothing of the provider waits for its commit. */
  get isSettled(): boolean {
    return this.document === null || this.statuses.isSettled
  }

  handle(bytes: Uint8Array): Promise<void> | null {
    // What is not taken in any more comes again with the provider.
    if (!this.socket.isOpen() || this.owner.isDraining) return null
    if (bytes.length > this.context.limits.frameBytes)
      throw new ProtocolError('too_large', 'the message is too large')
    const message = decodeHocuspocusMessage(bytes)
    if (message.type === 'unknown') return null
    if (message.type === 'token') return this.authenticate(message.token)
    if (message.type === 'close') {
      this.leave()
      // What follows is that of a provider which has come back to the document.
      if (this.inbox.waitingBytes === 0) this.owner.forget(this.name)
      return null
    }
    if (this.document !== null) return this.take(this.document, message)
    this.note(message)
    return null
  }

  private take(
    document: StockDocument,
    message: Exclude<HocuspocusMessage, { type: 'token' | 'close' | 'unknown' }>,
  ): Promise<void> | null {
    if (message.type === 'stateless') {
      this.stateless(document.member, message.payload)
      return null
    }
    if (message.type === 'step1') this.stepOne(document.member, message.stateVector)
    return document.handle(message)
  }

  /** Of a provider that is not in the document only what its next step 2 must account for is kept. */
  private note(message: HocuspocusMessage): void {
    if (message.type === 'update') this.statuses.missed()
    if (message.type !== 'step1') return
    this.keep(message.stateVector)
    if (this.stateVector !== null) this.statuses.stepOne(this.stateVector)
  }

  /** Ours goes first: the answer then holds what the client has, and not what it is about to get. */
  private stepOne(member: Membership, stateVector: Uint8Array): void {
    this.statuses.stepOne(stateVector)
    this.keep(stateVector)
    this.askedOnceMore = false
    this.socket.send(encodeStep1(member.room.stateVector, this.address))
  }

  private keep(stateVector: Uint8Array): void {
    // Not a view into a large message.
    this.stateVector = stateVector.length <= keptVectorBytes ? stateVector.slice() : emptyVector
  }

  private async authenticate(token: string): Promise<void> {
    let identity: Identity
    try {
      checkRoomName(this.room)
      if (token.length > WireLimits.tokenBytes)
        throw new ProtocolError('unauthorized', 'the token is too long')
      identity = await this.context.auth.verify(token === '' ? this.owner.upgradeToken : token)
      this.owner.checkUser(this, identity)
      this.checkSame(identity)
      if ((await this.context.auth.permit(identity, this.room)) === null) throw notGranted()
      if (this.socket.isOpen()) this.owner.identified(identity)
      this.inbox.account(this.context.loop.of(identity.tenant).memory)
    } catch (error) {
      this.denied(error)
      return
    }
    if (!this.socket.isOpen()) return
    this.identity = identity
    if (this.document === null) await this.enter(identity)
    else this.renew(identity, this.document.member)
  }

  /** A document that is open stays that of its user: its room is of the tenant, and its edits carry the name. */
  private checkSame({ user, tenant }: Identity): void {
    if (this.identity === null) return
    if (this.identity.user !== user || this.identity.tenant !== tenant)
      throw new ProtocolError('unauthorized', 'the new token is of another user')
  }

  /** The user is to stay away: also from a document that is being opened. */
  expel(message: string): void {
    if (this.member !== null) this.end('forbidden', message)
    else this.identity = null
  }

  private async enter(identity: Identity): Promise<void> {
    let admitted: Admitted
    try {
      admitted = await admit(this.context, () => identity, this.room)
    } catch (error) {
      if (error instanceof ProtocolError && error.code === 'forbidden') {
        this.denied(error)
        return
      }
      throw error
    }
    const { hold, permissions } = admitted
    // The user may have been sent away while the room was opened: see `expel`.
    const isExpelled = this.identity === null
    if (!this.socket.isOpen() || this.owner.isDraining || isExpelled) {
      hold.release()
      if (isExpelled) this.denied(notGranted())
      return
    }
    const member = new Membership('hocuspocus', this.socket, hold, new HocuspocusWire(this, this.address), {
      user: identity.user,
      connection: this.owner.nextConnection(),
      clientId: null,
      permissions,
      ...(this.hasSession ? { address: this.address } : {}),
    })
    this.document = new StockDocument(member, this)
    this.owner.authenticated()
    this.timers.arm(identity.expires)
    this.socket.send(encodeAuthenticated(this.address, accessOf(permissions)))
    const { stateVector } = this
    if (stateVector === null) return
    // It asked while it had no access, and does not ask again.
    this.socket.send(encodeQueryAwareness(this.address))
    this.socket.send(encodeStep1(member.room.stateVector, this.address))
    await this.document.handle({ type: 'step1', stateVector })
  }

  /** A new token of a provider that is in the document. */
  private renew(identity: Identity, member: Membership): void {
    this.timers.arm(identity.expires)
    // It is answered also when nothing changes.
    this.ask(identity, member, (permissions) => {
      if (accessOf(permissions) === member.access)
        this.socket.send(encodeAuthenticated(this.address, member.access))
    })
  }

  /** What the client may do has changed (P67, P80). */
  accessChanged(access: Access): void {
    const { member } = this
    this.socket.send(encodeAuthenticated(this.address, access))
    // What was refused meanwhile comes with the answer.
    if (access === 'write' && member !== null)
      this.socket.send(encodeStep1(member.room.stateVector, this.address))
  }

  review(room: string | null): void {
    const { identity, member } = this
    if (identity === null || member === null || (room !== null && room !== this.room)) return
    this.ask(identity, member, () => undefined)
  }

  private ask(identity: Identity, member: Membership, granted: (permissions: Permissions) => void): void {
    review(
      this.context,
      identity,
      member,
      (permissions) => {
        if (permissions === null) {
          this.end('forbidden', 'the grant has been revoked')
          return
        }
        granted(permissions)
        member.permit(permissions, '')
      },
      (error) => this.failed(error),
    )
  }

  askForToken(): void {
    this.socket.send(encodeTokenRequest(this.address))
  }

  tokenExpired(): void {
    this.end('token_expired', 'the token has expired')
  }

  private stateless(member: Membership, payload: string): void {
    if (!member.permissions.events) {
      // A provider has no ears for it but "permission denied", which would end its session.
      this.context.observer.error('forbidden')
      return
    }
    const value = encodeValue(payload)
    if (value.length > this.context.limits.eventBytes) {
      throw new ProtocolError('too_large', `a payload has at most ${this.context.limits.eventBytes} bytes`)
    }
    member.room.broadcast(member, statelessName, value)
  }

  number(kind: ChangeKind, inspection: Inspection | null): number {
    return this.statuses.add(kind, inspection)
  }

  deny(kind: ChangeKind): void {
    this.context.observer.error('forbidden')
    this.statuses.refuse()
    if (kind === 'update') this.statuses.missed()
    else this.askOnceMore()
  }

  /** What a reader brought may be others' changes, relayed to it and not committed when it came. */
  private askOnceMore(): void {
    const { document } = this
    if (this.askedOnceMore || document === null) return
    this.askedOnceMore = true
    const { member } = document
    setTimeout(() => {
      if (!member.hasLeft) this.socket.send(encodeStep1(member.room.stateVector, this.address))
    }, askAgainMs)
  }

  show(awareness: Uint8Array): void {
    this.socket.sendLossy(encodeAwareness(awareness, this.address))
  }

  acked(n: number): void {
    this.statuses.acked(n)
    if (this.statuses.isSettled) this.owner.settled()
  }

  stateSent(): void {
    this.statuses.stateSent()
  }

  suspendOthers(): void {
    this.owner.suspendOthers(this)
  }

  resumeOthers(): void {
    this.owner.resumeOthers()
  }

  fellBehind(): void {
    this.member?.fellBehind()
  }

  caughtUp(): void {
    const { document } = this
    if (document === null || document.member.isLive) return
    document.catchUp().catch((error: unknown) => this.failed(error))
  }

  /** The room, or the database, refuses. */
  refused(code: ErrorCode, message: string): void {
    this.failed(new ProtocolError(code, message))
  }

  /** What handling a message threw. */
  failed(error: unknown): void {
    const told = this.told(error)
    if (isRetryable(told.code)) this.owner.failAll(told)
    else this.end(told.code, told.message)
  }

  /** A token that is not good, or no good for this room: the provider may come with another one. */
  private denied(error: unknown): void {
    const told = this.told(error)
    if (isRetryable(told.code)) {
      this.owner.failAll(told)
      return
    }
    if (this.document !== null) {
      this.end(told.code, told.message)
      return
    }
    this.identity = null
    this.context.observer.error(told.code)
    this.socket.send(encodeDenied(this.address, told.message))
    this.owner.denied()
  }

  private told(error: unknown): ProtocolError {
    const told = tellable(error)
    if (told === null) this.context.observer.fault('handling a message failed', error)
    return told ?? new ProtocolError('internal', 'a fault of the server')
  }

  /** Ends the document for the provider, and leaves its others alone. */
  end(code: ErrorCode, message: string): void {
    if (!this.socket.isOpen()) return
    this.context.observer.error(code)
    this.context.observer.info('document ended', { room: this.room, code, reason: message })
    this.leaveRoom()
    this.statuses.ended()
    if (isOfToken(code)) this.socket.send(encodeDenied(this.address, message))
    this.socket.send(encodeClose(this.address, message))
  }

  /** The provider closes the document. */
  leave(): void {
    this.leaveRoom()
    this.statuses.reset()
    this.stateVector = null
  }

  private leaveRoom(): void {
    const { document } = this
    this.document = null
    this.identity = null
    this.timers.stop()
    document?.member.leave()
  }

  /** The socket has closed. */
  dispose(): void {
    this.inbox.close()
    this.leave()
  }
}

/** Errors that another token may mend: the provider hears them as "permission denied", too. */
const isOfToken = (code: ErrorCode): boolean =>
  code === 'unauthorized' || code === 'token_expired' || code === 'forbidden'

const notGranted = (): ProtocolError => new ProtocolError('forbidden', 'there is no grant for this room')
