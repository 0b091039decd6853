/* A stock Yjs client (y-websocket) on `/yjs/<room>`: one socket, one room. Rules P37 to P44 of protocol/PROTOCOL.md. */
import { ProtocolError, readAwareness, roomNameFromPath, type Access, type ErrorCode } from '@weft/protocol'
import { withGrant, type Identity } from '../auth/index.js'
import { BaseSession } from './base-session.js'
import { inspectUpdate, isLarge, type Inspection } from '../crdt/index.js'
import { Membership } from './membership.js'
import { tellable, type SessionContext } from './session.js'
import type { Socket } from './socket.js'
import { YjsWire, type YjsWireOwner } from './yjs-member-wire.js'
import { decodeYjsMessage, encodeAwareness, encodePermissionDenied, encodeStep1 } from './yjs-wire.js'

/** What the upgrade request said. */
export interface YjsRequest {
  /** The path after `/yjs/`, not decoded. */
  readonly path: string
  readonly token: string | null
}

export class YjsSession extends BaseSession implements YjsWireOwner {
  /** What is asked for, until it is looked at: messages wait until the room is open. */
  private request: YjsRequest | null
  private member: Membership | null = null
  identity: Identity | null = null
  /** The state vector of a step 1 that has not been answered yet. */
  private asked: Uint8Array | null = null
  private answering = false
  /** Until then nobody else's presence has been sent: what arrives is the client's own. */
  private presenceShown = false
  private deniedTold = false

  constructor(id: string, socket: Socket, context: SessionContext, request: YjsRequest) {
    super(id, socket, context)
    this.request = request
    // The first "message" is the upgrade itself.
    this.inbox.add(new Uint8Array(0))
  }

  protected get isKnown(): boolean {
    return this.member !== null
  }

  /** Stock clients hear of no acks: there is nothing to wait for. */
  drain(): void {
    this.shutDown()
  }

  fellBehind(): void {
    this.context.observer.behind()
    this.member?.fellBehind()
  }

  caughtUp(): void {
    const { member } = this
    if (member === null) return
    void member.catchUp().then(
      () => this.showPresence(member, true),
      (error: unknown) => this.failed(error),
    )
  }

  override closed(): void {
    super.closed()
    const { member } = this
    this.member = null
    member?.leave()
  }

  private async enter(request: YjsRequest): Promise<void> {
    const name = roomNameFromPath(request.path)
    const identity = await this.context.auth.verify(request.token)
    this.identity = identity
    this.accessTo(name)
    if (!this.socket.isOpen()) return
    const hold = await this.context.rooms.open(identity.tenant, name)
    if (!this.socket.isOpen()) {
      hold.release()
      return
    }
    let access: Access
    try {
      // The grant may have been changed while the room was opened.
      access = this.accessTo(name)
    } catch (error) {
      hold.release()
      throw error
    }
    this.armExpiry(identity)
    const { user } = identity
    this.member = new Membership('yjs', this.socket, hold, new YjsWire(this), {
      user,
      connection: this.id,
      clientId: null,
      access,
    })
    this.socket.send(encodeStep1(hold.room.stateVector))
  }

  grant(room: string, access: Access | null): void {
    const { member } = this
    if (this.identity !== null) this.identity = withGrant(this.identity, room, access)
    if (member?.room.name !== room) return
    if (access === null) this.fail(new ProtocolError('forbidden', 'the grant has been revoked'))
    else member.access = access
  }

  /** @throws {ProtocolError} forbidden */
  private accessTo(room: string): Access {
    const access = this.identity?.access(room) ?? null
    if (access === null) throw new ProtocolError('forbidden', 'the token does not grant this room')
    return access
  }

  refused(code: ErrorCode, message: string): void {
    this.fail(new ProtocolError(code, message))
  }

  handle(bytes: Uint8Array): Promise<void> | null {
    const { member, request } = this
    if (request !== null) {
      this.request = null
      return this.enter(request)
    }
    if (!this.socket.isOpen() || member === null) return null
    this.checkFrameSize(bytes)
    const message = decodeYjsMessage(bytes)
    switch (message.type) {
      case 'step1':
        this.stepOne(member, message.stateVector)
        return null
      case 'step2':
        return this.stepTwo(member, message.update)
      case 'update':
        return this.change(member, message.update)
      case 'awareness':
        this.presence(member, message.awareness)
        return null
      case 'queryAwareness':
        this.showPresence(member, true)
        return null
      case 'unknown':
        return null
    }
  }

  /** Not awaited: the client's own changes need not wait until its state has arrived. */
  private stepOne(member: Membership, stateVector: Uint8Array): void {
    // One answer covers what was asked while it was waited for: a flood of step 1s cannot pile up.
    this.asked = stateVector
    if (this.answering) return
    this.answerStepOne(member).catch((error: unknown) => {
      const told = tellable(error)
      if (told === null) this.context.observer.fault('answering a step 1 failed', error)
      this.fail(told ?? new ProtocolError('load_failed', 'the room could not be read now'))
    })
  }

  private async answerStepOne(member: Membership): Promise<void> {
    this.answering = true
    for (let asked = this.asked; asked !== null; asked = this.asked) {
      this.asked = null
      await member.sync({ mode: 'diff', stateVector: asked })
    }
    this.answering = false
  }

  /** The client's answer to our step 1; one that adds nothing is neither relayed nor journaled (P40). */
  private async stepTwo(member: Membership, update: Uint8Array): Promise<void> {
    this.checkSize(update)
    if (member.access !== 'write') {
      // Whoever only reads sends one as well: no word about what is known, and no work in a worker for the rest.
      if (isLarge(update) || !member.room.knowsStructs(inspectUpdate(update))) this.deny()
      this.showPresence(member, false)
      return
    }
    // In a reconnect storm everybody in sync sends the same bytes: only the first is looked at.
    if ((await member.room.content.knownNothing(update)) !== true) {
      const checked = await this.inspect(member, update)
      const nothing =
        checked.inspection.empty ||
        (member.room.knowsStructs(checked.inspection) &&
          (await member.room.content.addsNothing(checked.update)))
      if (!member.hasLeft && !nothing) this.accept(member, checked.update, checked.inspection)
    }
    this.showPresence(member, false)
  }

  private change(member: Membership, update: Uint8Array): Promise<void> | null {
    this.checkSize(update)
    if (isLarge(update)) {
      if (member.access === 'write') return this.largeChange(member, update)
      this.deny()
      return null
    }
    const inspection = inspectUpdate(update)
    if (!inspection.empty) this.accept(member, update, inspection)
    return null
  }

  private async largeChange(member: Membership, update: Uint8Array): Promise<void> {
    const checked = await this.inspect(member, update)
    if (!member.hasLeft && !checked.inspection.empty) this.accept(member, checked.update, checked.inspection)
  }

  private async inspect(
    member: Membership,
    update: Uint8Array,
  ): Promise<{ update: Uint8Array; inspection: Inspection }> {
    return isLarge(update)
      ? await member.room.inspectLarge(update)
      : { update, inspection: inspectUpdate(update) }
  }

  private accept(member: Membership, update: Uint8Array, inspection: Inspection): void {
    if (member.access !== 'write') {
      this.deny()
      return
    }
    // A stock client has no other way to hear it: it keeps its changes, and syncs when it is back (P42).
    if (!member.room.hasRoom(update.length) || !member.room.admits(inspection)) {
      throw new ProtocolError('overloaded', 'too many changes wait for the database')
    }
    member.room.change(member, null, update, inspection)
  }

  /** Before anything is done with its bytes. */
  private checkSize(update: Uint8Array): void {
    const { updateBytes } = this.context.limits
    if (update.length <= updateBytes) return
    throw new ProtocolError('too_large', `an update has at most ${updateBytes} bytes`)
  }

  private deny(): void {
    this.context.observer.error('forbidden')
    if (!this.deniedTold) this.socket.send(encodePermissionDenied('the grant is to read only'))
    this.deniedTold = true
  }

  private presence(member: Membership, awareness: Uint8Array): void {
    const { presenceEntries, presenceBytes } = this.context.limits
    const entries = readAwareness(awareness, presenceEntries, presenceBytes)
    // Before it has been sent anybody's presence, it cannot be echoing.
    const first = !member.presenceSeen && !this.presenceShown
    member.presenceSeen = true
    member.room.setPresence(member, entries, first)
    this.showPresence(member, false)
  }

  private showPresence(member: Membership, again: boolean): void {
    if (this.presenceShown && !again) return
    this.presenceShown = true
    const awareness = member.room.presence.snapshot()
    if (awareness !== null) this.socket.sendLossy(encodeAwareness(awareness))
  }

  protected tell(): void {
    // y-protocols has no errors: the close code says it.
  }
}
