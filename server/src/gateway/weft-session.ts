/* A connection on `/v1/connect`. The rules it follows are those of protocol/PROTOCOL.md. */
import {
  checkRoomName,
  closeCodeFor,
  decodeClientFrame,
  encodeServerFrame,
  isRetryable,
  ProtocolError,
  readAwareness,
  type AppendFrame,
  type ErrorCode,
  type HelloFrame,
  type JoinFrame,
  type ServerFrame,
  type UpdateFrame,
} from '@weft/protocol'
import type { Identity } from '../auth/index.js'
import { inspectUpdate, isLarge, type Inspection } from '../crdt/index.js'
import { Membership, type SyncRequest } from './membership.js'
import type { Room } from '../room/index.js'
import { at, Inbox, strangerBytes, tellable, type Session, type SessionContext } from './session.js'
import type { Socket } from './socket.js'
import { createWeftWire } from './weft-wire.js'

interface Hello {
  readonly clientId: string
  identity: Identity
}

export class WeftSession implements Session {
  private readonly context: SessionContext
  private readonly socket: Socket
  private readonly id: string
  private readonly inbox: Inbox
  private readonly memberships = new Map<number, Membership>()
  /** Names being joined, or joined. */
  private readonly names = new Set<string>()
  private hello: Hello | null = null
  private cancelExpiry: (() => void) | null = null
  private readonly opened = performance.now()
  private lastPing = performance.now()
  private pings = 0
  private draining = false

  constructor(id: string, socket: Socket, context: SessionContext) {
    this.id = id
    this.socket = socket
    this.context = context
    this.inbox = new Inbox(
      (bytes) => this.handle(bytes),
      (error) => this.failed(error),
    )
  }

  message(bytes: Uint8Array): void {
    this.socket.lastReceived = performance.now()
    this.inbox.add(bytes)
    const allowed = 2 * this.context.limits.frameBytes
    if (this.inbox.waitingBytes > (this.hello === null ? Math.min(strangerBytes, allowed) : allowed)) {
      this.fail(new ProtocolError('overloaded', 'too many frames wait to be handled'))
    }
  }

  textMessage(): void {
    this.fail(new ProtocolError('invalid_frame', 'text messages are not part of the protocol'))
  }

  tick(now: number): void {
    const { helloMs, heartbeatMs, slowMs } = this.context.limits
    if (this.hello === null) {
      if (now - this.opened > helloMs) this.fail(new ProtocolError('timeout', 'no HELLO came in time'))
      return
    }
    if (now - this.socket.lastReceived > 2 * heartbeatMs) {
      this.fail(new ProtocolError('timeout', 'nothing arrived for two heartbeats'))
      return
    }
    if (this.socket.isWaiting && now - this.socket.lastProgress > slowMs) {
      this.fail(new ProtocolError('slow', 'the client has read nothing for too long'))
      return
    }
    if (!this.socket.isWaiting) this.socket.lastProgress = now
    // Published frames are not counted per socket, so the heartbeat is sent whatever else was.
    if (now - this.lastPing >= heartbeatMs - 1_000) {
      this.lastPing = now
      if (this.socket.buffered === 0) this.send({ type: 'ping', id: ++this.pings })
    }
  }

  drain(delay: number): void {
    this.draining = true
    this.send({ type: 'drain', delay })
  }

  shutDown(): void {
    this.socket.end(closeCodeFor('draining'), 'the node is shutting down')
    this.closed()
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

  tooSlow(reason: string): void {
    this.fail(new ProtocolError('slow', reason))
  }

  closed(): void {
    this.socket.closed()
    this.inbox.close()
    this.cancelExpiry?.()
    this.cancelExpiry = null
    for (const member of this.memberships.values()) member.leave()
    this.memberships.clear()
    this.names.clear()
  }

  private send(frame: ServerFrame): void {
    this.socket.send(encodeServerFrame(frame))
  }

  /** @returns null when the frame was handled at once */
  private handle(bytes: Uint8Array): Promise<void> | null {
    if (!this.socket.isOpen()) return null
    if (bytes.length > this.context.limits.frameBytes)
      throw new ProtocolError('too_large', 'the frame is too large')
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
        return this.update(frame)
      case 'append':
        this.append(frame)
        return null
      case 'presence': {
        const member = this.memberships.get(frame.room)
        if (member !== undefined) this.presence(member, frame.awareness)
        return null
      }
      case 'broadcast': {
        const member = this.memberships.get(frame.room)
        if (member?.isLive !== true) return null
        if (member.access !== 'write') this.refuse(null, 'forbidden', 'the grant is to read only')
        else if (frame.payload.length > this.context.limits.eventBytes) {
          this.refuse(null, 'too_large', `a payload has at most ${this.context.limits.eventBytes} bytes`)
        } else member.room.broadcast(member, frame.name, frame.payload)
        return null
      }
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
    const identity = await this.context.auth.verify(frame.token)
    if (!this.socket.isOpen()) return
    const { frameBytes, updateBytes, eventBytes, presenceBytes, roomsPerConnection, heartbeatMs } =
      this.context.limits
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
    for (const member of [...this.memberships.values()]) {
      const access = identity.access(member.room.name)
      if (access !== null) member.access = access
      else member.end('forbidden', 'the new token does not grant this room')
    }
  }

  private armExpiry(identity: Identity): void {
    this.cancelExpiry?.()
    this.cancelExpiry =
      identity.expires === null
        ? null
        : at(identity.expires, () => this.fail(new ProtocolError('token_expired', 'the token has expired')))
  }

  private join(hello: Hello, frame: JoinFrame): void {
    try {
      checkRoomName(frame.room)
      if (this.draining) throw new ProtocolError('draining', 'the node is shutting down')
      if (this.names.has(frame.room)) {
        throw new ProtocolError('already_joined', 'the connection is in this room, or joining it')
      }
      if (this.names.size >= this.context.limits.roomsPerConnection) {
        throw new ProtocolError(
          'too_many_rooms',
          `a connection has at most ${this.context.limits.roomsPerConnection} rooms`,
        )
      }
      if (hello.identity.access(frame.room) === null) {
        throw new ProtocolError('forbidden', 'the token does not grant this room')
      }
    } catch (error) {
      this.refuseJoin(frame, error)
      return
    }
    this.names.add(frame.room)
    void this.enter(hello, frame).catch((error: unknown) => {
      if (this.socket.isOpen()) this.refuseJoin(frame, error)
    })
  }

  private async enter(hello: Hello, frame: JoinFrame): Promise<void> {
    const hold = await this.context.rooms.open(hello.identity.tenant, frame.room).catch((error: unknown) => {
      this.names.delete(frame.room)
      throw error
    })
    const { room, output } = hold
    // The token may have been replaced while the room was opened.
    const access = hello.identity.access(frame.room)
    if (!this.socket.isOpen() || access === null) {
      hold.release()
      this.names.delete(frame.room)
      if (access === null) throw new ProtocolError('forbidden', 'the token does not grant this room')
      return
    }
    const wire = createWeftWire(this.socket, room, output.number, access, frame.request, (code, message) => {
      this.forget(member)
      this.send({ type: 'left', room: output.number, code, message })
    })
    const { user } = hello.identity
    const member = new Membership('weft', this.socket, hold, wire, { user, clientId: hello.clientId, access })
    this.memberships.set(output.number, member)
    try {
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

  private showPresence(member: Membership): void {
    if (!member.isLive) return
    const awareness = member.room.presence.snapshot()
    if (awareness === null) return
    this.socket.sendLossy(encodeServerFrame({ type: 'presences', room: member.channel.number, awareness }))
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
    this.names.delete(member.room.name)
  }

  private update(frame: UpdateFrame): Promise<void> | null {
    const member = this.writer(frame)
    if (member === null) return null
    const { update, n } = frame
    if (update.length > this.context.limits.updateBytes) {
      this.nack(member, n, 'too_large', `an update has at most ${this.context.limits.updateBytes} bytes`)
      return null
    }
    if (this.refusesNow(member, n, update.length)) return null
    if (isLarge(update)) return this.largeUpdate(member, n, update)
    let inspection: Inspection
    try {
      inspection = inspectUpdate(update)
    } catch (error) {
      this.invalid(member, n, error)
      return null
    }
    if (!member.room.admits(inspection)) {
      this.nack(member, n, 'overloaded', 'too much waits for changes that never came')
      return null
    }
    member.decided(n)
    member.room.change(member, n, update, inspection)
    return null
  }

  /** Later frames of this connection wait meanwhile. */
  private async largeUpdate(member: Membership, n: number, update: Uint8Array): Promise<void> {
    let checked: Awaited<ReturnType<Room['inspectLarge']>>
    try {
      checked = await member.room.inspectLarge(update)
    } catch (error) {
      this.invalid(member, n, error)
      return
    }
    if (member.hasLeft || this.refusesNow(member, n, checked.update.length)) return
    if (!member.room.admits(checked.inspection)) {
      this.nack(member, n, 'overloaded', 'too much waits for changes that never came')
      return
    }
    member.decided(n)
    member.room.change(member, n, checked.update, checked.inspection)
  }

  /** Refuses a change that may be taken later. To be asked right before it is taken: a worker's answer takes a while. */
  private refusesNow(member: Membership, n: number, bytes: number): boolean {
    if (this.draining) this.nack(member, n, 'draining', 'the node is shutting down')
    else if (!member.room.hasRoom(bytes)) {
      this.nack(member, n, 'overloaded', 'too many changes wait for the database')
    } else return false
    return true
  }

  private invalid(member: Membership, n: number, error: unknown): void {
    const told = tellable(error)
    if (told === null) this.context.observer.fault('inspecting an update failed', error)
    this.nack(member, n, told?.code ?? 'overloaded', told?.message ?? 'the update could not be checked now')
  }

  private append(frame: AppendFrame): void {
    const member = this.writer(frame)
    if (member === null) return
    const { n, name, payload } = frame
    if (payload.length > this.context.limits.eventBytes) {
      this.nack(member, n, 'too_large', `a payload has at most ${this.context.limits.eventBytes} bytes`)
      return
    }
    if (name.includes('\0')) {
      this.nack(member, n, 'invalid_frame', 'the name holds a NUL character')
      return
    }
    if (this.refusesNow(member, n, payload.length)) return
    member.decided(n)
    member.room.append(member, n, name, payload)
  }

  /** The member that may make this change now; null when it was refused. */
  private writer({ room, n }: { readonly room: number; readonly n: number }): Membership | null {
    const member = this.memberships.get(room)
    if (member === undefined) {
      this.context.observer.error('not_joined')
      this.send({ type: 'nack', room, n, code: 'not_joined', message: 'the connection is not in this room' })
      return null
    }
    // After a retryable refusal nothing later is taken before the refused change comes again (P23).
    if (member.refused !== null && n > member.refused) {
      this.nack(member, n, 'out_of_order', `change ${member.refused} comes before it`)
      return null
    }
    // Taken already, and settled by its own ACK or NACK: the client sent it again because of a refusal that crossed it on
    // the way. A number left out was refused for good in an earlier connection.
    if (n < (member.refused ?? member.next)) return null
    if (member.access !== 'write') {
      this.nack(member, n, 'forbidden', 'the grant is to read only')
      return null
    }
    return member
  }

  private nack(member: Membership, n: number, code: ErrorCode, message: string): void {
    this.context.observer.error(code)
    // A final refusal settles n; a retryable one waits for n to come again.
    if (!isRetryable(code)) member.decided(n)
    else member.refused ??= n
    member.nack(n, code, message)
  }

  private presence(member: Membership, awareness: Uint8Array): void {
    const { presenceEntries, presenceBytes } = this.context.limits
    try {
      const entries = readAwareness(awareness, presenceEntries, presenceBytes)
      const first = !member.presenceSeen
      member.presenceSeen = true
      member.room.setPresence(member, entries, first)
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      this.refuse(null, error.code, error.message)
    }
  }

  private refuseJoin(frame: JoinFrame, error: unknown): void {
    const told = tellable(error)
    // In a JOIN, what does not decode is the state vector.
    if (told?.code === 'invalid_update') this.refuse(frame.request, 'invalid_frame', told.message)
    else if (told !== null) this.refuse(frame.request, told.code, told.message)
    else {
      this.context.observer.fault('joining a room failed', error)
      this.refuse(frame.request, 'load_failed', 'the room could not be read now; its content is unharmed')
    }
  }

  private refuse(request: number | null, code: ErrorCode, message: string): void {
    this.context.observer.error(code)
    this.send({ type: 'error', request, code, message, retryAfter: 0 })
  }

  private failed(error: unknown): void {
    const told = tellable(error)
    if (told === null) this.context.observer.fault('handling a frame failed', error)
    this.fail(told ?? new ProtocolError('internal', 'a fault of the server'))
  }

  /** Ends the connection: ERROR, then the close code of the error. */
  private fail(error: ProtocolError): void {
    if (!this.socket.isOpen()) return
    this.context.observer.error(error.code)
    this.context.observer.info('connection ended', {
      session: this.id,
      code: error.code,
      reason: error.message,
    })
    this.send({ type: 'error', request: null, code: error.code, message: error.message, retryAfter: 0 })
    this.socket.end(closeCodeFor(error.code), error.message)
    this.closed()
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
