/* A connection on `/v1/connect`. The rules it follows are those of protocol/PROTOCOL.md. */
import {
  checkRoomName,
  decodeClientFrame,
  encodeServerFrame,
  ProtocolError,
  type ErrorCode,
  type HelloFrame,
  type JoinFrame,
  type ServerFrame,
} from '@weft/protocol'
import { accessOf, type Identity } from '../auth/index.js'
import { admit } from './admit.js'
import { BaseSession } from './base-session.js'
import { Membership, type SyncRequest } from './membership.js'
import { review } from './review.js'
import { tellable, type SessionContext } from './session.js'
import type { Socket } from './socket.js'
import { HistoryRequests, type HistorySource } from './weft-history.js'
import { takeMessage, takeUpdate, type ChangeSource } from './weft-changes.js'
import { sendPresence, takeBroadcast, takePresence, type EphemeralSource } from './weft-ephemeral.js'
import { WeftWire, type WeftWireOwner } from './weft-member-wire.js'

/** A client that has said something within so many milliseconds, and has been answered, is alive without a PING. */
const answeredMs = 2_000

interface Hello {
  readonly clientId: string
  identity: Identity
}

export class WeftSession
  extends BaseSession
  implements ChangeSource, EphemeralSource, HistorySource, WeftWireOwner
{
  /** That of the upgrade request, until HELLO (P81). */
  private upgradeToken: string | null
  private readonly memberships = new Map<number, Membership>()
  /** Names being joined; null while there are none, which is most of the time. */
  private joining: Set<string> | null = null
  private hello: Hello | null = null
  /** Made by the first HISTORY: most connections ask for none. */
  private history: HistoryRequests | null = null
  private readonly opened = performance.now()
  private lastPing = performance.now()
  private pings = 0
  isDraining = false

  constructor(id: string, socket: Socket, context: SessionContext, token: string | null) {
    super(id, socket, context)
    this.upgradeToken = token
  }

  protected get isKnown(): boolean {
    return this.hello !== null
  }

  get identity(): Identity | null {
    return this.hello?.identity ?? null
  }

  override tick(now: number): void {
    const { helloMs, heartbeatMs } = this.context.limits
    if (this.hello === null) {
      if (now - this.opened > helloMs) this.fail(new ProtocolError('timeout', 'no HELLO came in time'))
      return
    }
    if (now - this.socket.lastReceived > 2 * heartbeatMs) {
      this.fail(new ProtocolError('timeout', 'nothing arrived for two heartbeats'))
      return
    }
    super.tick(now)
    // Published frames are not counted per socket, acks and other answers are: who types is not asked whether it lives.
    const { hasSent, lastReceived } = this.socket
    if (hasSent && now - lastReceived < answeredMs) this.lastPing = now - 1_000
    this.socket.hasSent = false
    if (now - this.lastPing >= heartbeatMs - 1_000) {
      this.lastPing = now
      if (this.socket.buffered === 0) this.send({ type: 'ping', id: ++this.pings })
    }
  }

  drain(delay: number): void {
    this.isDraining = true
    this.send({ type: 'drain', delay })
  }

  fellBehind(): void {
    this.context.observer.behind()
    for (const member of this.memberships.values()) member.fellBehind()
  }

  caughtUp(): void {
    for (const member of this.memberships.values()) {
      void member.catchUp().then(
        () => this.showPresence(member),
        (error: unknown) => this.failed(error),
      )
    }
  }

  override closed(): void {
    super.closed()
    for (const member of this.memberships.values()) member.leave()
    this.memberships.clear()
    this.joining = null
  }

  private send(frame: ServerFrame): void {
    this.socket.send(encodeServerFrame(frame))
  }

  /** @returns null when the frame was handled at once */
  handle(bytes: Uint8Array): Promise<void> | null {
    if (!this.socket.isOpen()) return null
    this.checkFrameSize(bytes)
    const frame = decodeClientFrame(bytes)
    if (frame.type === 'unknown' && this.hello !== null) return null
    if (frame.type === 'hello') {
      if (this.hello !== null) throw new ProtocolError('unexpected_frame', 'HELLO came twice')
      return this.welcome(frame)
    }
    const { hello } = this
    if (hello === null) throw new ProtocolError('unexpected_frame', 'the first frame is not HELLO')
    switch (frame.type) {
      case 'update':
      case 'seed': {
        const member = this.changing(frame)
        return member === null ? null : takeUpdate(this, member, frame)
      }
      case 'append': {
        const member = this.changing(frame)
        if (member !== null) takeMessage(this, member, frame)
        return null
      }
      case 'presence': {
        const member = this.memberships.get(frame.room)
        if (member !== undefined) takePresence(this, member, frame.awareness)
        return null
      }
      case 'broadcast': {
        const member = this.memberships.get(frame.room)
        if (member !== undefined) takeBroadcast(this, member, frame)
        return null
      }
      case 'history':
        this.history ??= new HistoryRequests(this)
        this.history.ask(this.memberships.get(frame.room) ?? null, frame)
        return null
      case 'join':
        this.join(hello, frame)
        return null
      case 'leave':
        this.leave(frame.room)
        return null
      case 'auth':
        return this.authenticate(hello, frame.token)
      case 'ping':
        this.send({ type: 'pong', id: frame.id })
        return null
      case 'pong':
      case 'unknown':
        return null
    }
  }

  private async welcome(frame: HelloFrame): Promise<void> {
    const token = frame.token ?? this.upgradeToken
    this.upgradeToken = null
    const identity = await this.context.auth.verify(token)
    if (!this.socket.isOpen()) return
    const { frameBytes, updateBytes, eventBytes, presenceBytes, roomsPerConnection, heartbeatMs } =
      this.context.limits
    this.takePlace(identity)
    this.hello = { clientId: Buffer.from(frame.clientId).toString('hex'), identity }
    this.armExpiry(identity)
    this.send({
      type: 'welcome',
      version: frame.version,
      session: this.id,
      node: this.context.node,
      user: identity.user,
      heartbeat: heartbeatMs,
      limits: { frameBytes, updateBytes, eventBytes, presenceBytes, roomsPerConnection },
    })
  }

  private async authenticate(hello: Hello, token: string): Promise<void> {
    const identity = await this.context.auth.verify(token)
    // A timer armed now would outlive the connection.
    if (!this.socket.isOpen()) return
    if (identity.user !== hello.identity.user || identity.tenant !== hello.identity.tenant) {
      throw new ProtocolError('unauthorized', 'the new token is of another user')
    }
    hello.identity = identity
    this.armExpiry(identity)
    this.send({ type: 'authed', user: identity.user, expires: identity.expires })
    this.reviewAll(hello, null, 'by the new token')
  }

  review(room: string | null): void {
    if (this.hello !== null) this.reviewAll(this.hello, room, 'the grant was changed')
  }

  private reviewAll({ identity }: Hello, room: string | null, why: string): void {
    for (const member of [...this.memberships.values()]) {
      if (room !== null && member.room.name !== room) continue
      review(
        this.context,
        identity,
        member,
        (permissions) => {
          if (permissions === null) member.end('forbidden', `no access to this room any more: ${why}`)
          else member.permit(permissions, why)
        },
        ({ code, message }) => member.end(code, message),
      )
    }
  }

  private join(hello: Hello, frame: JoinFrame): void {
    try {
      checkRoomName(frame.room)
      if (this.isDraining) throw new ProtocolError('draining', 'the node is shutting down')
      if (this.isIn(frame.room)) {
        throw new ProtocolError('already_joined', 'the connection is in this room, or joining it')
      }
      if (this.memberships.size + (this.joining?.size ?? 0) >= this.context.limits.roomsPerConnection) {
        throw new ProtocolError(
          'too_many_rooms',
          `a connection has at most ${this.context.limits.roomsPerConnection} rooms`,
        )
      }
    } catch (error) {
      this.refuseJoin(frame, error)
      return
    }
    this.joining ??= new Set()
    this.joining.add(frame.room)
    void this.enter(hello, frame).catch((error: unknown) => {
      if (this.socket.isOpen()) this.refuseJoin(frame, error)
    })
  }

  private async enter(hello: Hello, frame: JoinFrame): Promise<void> {
    const admitted = await admit(this.context, () => hello.identity, frame.room).catch((error: unknown) => {
      this.joined(frame.room)
      throw error
    })
    const { hold, permissions } = admitted
    const { room, output } = hold
    if (!this.socket.isOpen()) {
      hold.release()
      this.joined(frame.room)
      return
    }
    const wire = new WeftWire(this, room, output.number, accessOf(permissions), frame.request)
    const { user } = hello.identity
    const member = new Membership('weft', this.socket, hold, wire, {
      user,
      connection: this.id,
      clientId: hello.clientId,
      permissions,
    })
    this.memberships.set(output.number, member)
    this.joined(frame.room)
    try {
      // From another node it may have had what this one has not heard of yet: taken for a restored backup, it would get
      // messages twice.
      if (frame.after !== null && frame.epoch === room.epoch && !(await room.reach(frame.after)))
        throw new ProtocolError('load_failed', 'the log cannot be read now up to where the client is')
      if (member.hasLeft) return
      await member.sync(syncRequest(frame, room.epoch, room.head))
    } catch (error) {
      this.forget(member)
      if (!member.leave()) return
      if (wire.begun) {
        // JOINED is out: the room ends for the client, which joins again.
        this.context.observer.fault('sending the initial state failed', error)
        this.send({
          type: 'left',
          room: output.number,
          code: 'load_failed',
          message: 'the room could not be read',
        })
        return
      }
      throw error
    }
    this.showPresence(member)
  }

  /** The room is open, or did not open. */
  private joined(room: string): void {
    this.joining?.delete(room)
    if (this.joining?.size === 0) this.joining = null
  }

  private isIn(room: string): boolean {
    if (this.joining?.has(room) === true) return true
    for (const member of this.memberships.values()) if (member.room.name === room) return true
    return false
  }

  private showPresence(member: Membership): void {
    if (member.isLive) member.channel.loop.run(() => sendPresence(this.socket, member))
  }

  ended(room: number, code: ErrorCode, message: string, request: number | null): void {
    const member = this.memberships.get(room)
    if (member?.hasLeft === true) this.forget(member)
    if (request !== null) this.refuse(request, code, message)
    else this.send({ type: 'left', room, code, message })
  }

  private leave(number: number): void {
    const member = this.memberships.get(number)
    if (member === undefined) return
    this.forget(member)
    member.leave()
    this.send({ type: 'left', room: number, code: 'left', message: '' })
  }

  private forget(member: Membership): void {
    // It may have left while it was joining, and another have come in its place.
    if (this.memberships.get(member.channel.number) !== member) return
    this.memberships.delete(member.channel.number)
  }

  /** The member that a change is of; null, and the client is told, when there is none. */
  private changing({ room, n }: { readonly room: number; readonly n: number }): Membership | null {
    const member = this.memberships.get(room)
    if (member !== undefined) return member
    this.context.observer.error('not_joined')
    this.send({ type: 'nack', room, n, code: 'not_joined', message: 'the connection is not in this room' })
    return null
  }

  private refuseJoin(frame: JoinFrame, error: unknown): void {
    const told = tellable(error)
    // In a JOIN, what does not decode is the state vector.
    if (told?.code === 'invalid_update') this.refuse(frame.request, 'invalid_frame', told.message)
    else if (told !== null) this.refuse(frame.request, told.code, told.message, told.retryAfter)
    else {
      this.context.observer.fault('joining a room failed', error)
      this.refuse(frame.request, 'load_failed', 'the room could not be read now; its content is unharmed')
    }
  }

  refuse(request: number | null, code: ErrorCode, message: string, retryAfter = 0): void {
    this.context.observer.error(code)
    this.send({ type: 'error', request, code, message, retryAfter })
  }

  protected warn(error: ProtocolError): void {
    this.refuse(null, error.code, error.message, error.retryAfter)
  }

  protected tell({ code, message, retryAfter }: ProtocolError): void {
    this.send({ type: 'error', request: null, code, message, retryAfter })
  }
}

/** What the server can give of what the client asks for (P16). */
const syncRequest = (frame: JoinFrame, epoch: number, head: number): SyncRequest => {
  if (frame.after !== null && frame.epoch === epoch && frame.after <= head) {
    return { mode: 'resume', after: frame.after }
  }
  // A vector of another epoch describes a document that is gone (P20).
  const foreign = frame.epoch !== null && frame.epoch !== epoch
  return frame.stateVector === null || foreign
    ? { mode: 'full' }
    : { mode: 'diff', stateVector: frame.stateVector }
}
