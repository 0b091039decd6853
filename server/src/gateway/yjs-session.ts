/* A stock Yjs client (y-websocket) on `/yjs/<room>`: one socket, one room. Rules P37 to P44 of protocol/PROTOCOL.md. */
import { ProtocolError, roomNameFromPath, type Access, type ErrorCode } from '@weft/protocol'
import type { Identity } from '../auth/index.js'
import { admit } from './admit.js'
import { BaseSession } from './base-session.js'
import { Membership } from './membership.js'
import { review } from './review.js'
import type { SessionContext, UpgradeRequest } from './session.js'
import type { Socket } from './socket.js'
import { StockDocument, type StockDialect } from './stock-document.js'
import { YjsWire, type YjsWireOwner } from './yjs-member-wire.js'
import { decodeYjsMessage, encodeAwareness, encodePermissionDenied, encodeStep1 } from './yjs-wire.js'

export class YjsSession extends BaseSession implements YjsWireOwner, StockDialect {
  /** What is asked for, until it is looked at: messages wait until the room is open. */
  private request: UpgradeRequest | null
  private document: StockDocument | null = null
  identity: Identity | null = null
  private deniedTold = false

  constructor(id: string, socket: Socket, context: SessionContext, request: UpgradeRequest) {
    super(id, socket, context)
    this.request = request
    // The first "message" is the upgrade itself.
    this.inbox.add(new Uint8Array(0))
  }

  protected get isKnown(): boolean {
    return this.document !== null
  }

  /** Stock clients hear of no acks: there is nothing to wait for. */
  drain(): void {
    this.shutDown()
  }

  override tick(now: number): void {
    if (this.identity !== null) super.tick(now)
    // Nothing is sent to a stranger: its last progress is the handshake.
    else if (now - this.socket.lastProgress > this.context.limits.helloMs)
      this.fail(new ProtocolError('timeout', 'the token could not be verified in time'))
  }

  fellBehind(): void {
    this.context.observer.behind()
    this.document?.member.fellBehind()
  }

  caughtUp(): void {
    this.document?.catchUp().catch((error: unknown) => this.failed(error))
  }

  override closed(): void {
    super.closed()
    const { document } = this
    this.document = null
    document?.member.leave()
  }

  private async enter(request: UpgradeRequest): Promise<void> {
    const name = roomNameFromPath(request.path)
    const identity = await this.context.auth.verify(request.token)
    if (!this.socket.isOpen()) return
    this.takePlace(identity)
    this.identity = identity
    const { hold, permissions } = await admit(this.context, () => identity, name)
    if (!this.socket.isOpen()) {
      hold.release()
      return
    }
    this.armExpiry(identity)
    const { user } = identity
    const member = new Membership('yjs', this.socket, hold, new YjsWire(this), {
      user,
      connection: this.id,
      clientId: null,
      permissions,
    })
    this.document = new StockDocument(member, this)
    this.socket.send(encodeStep1(hold.room.stateVector))
  }

  review(room: string | null): void {
    const { identity, document } = this
    if (identity === null || document === null) return
    const { member } = document
    if (room !== null && member.room.name !== room) return
    review(
      this.context,
      identity,
      member,
      (permissions) => {
        if (permissions === null) this.fail(new ProtocolError('forbidden', 'the grant has been revoked'))
        else member.permit(permissions, 'the grant was changed')
      },
      (error) => this.fail(error),
    )
  }

  /** What the client may do has changed (P80). */
  accessChanged(access: Access, message: string): void {
    const { document } = this
    if (document === null) return
    this.deniedTold = access === 'read'
    if (access === 'read') this.socket.send(encodePermissionDenied(message))
    // What was refused meanwhile comes with the answer.
    else this.socket.send(encodeStep1(document.member.room.stateVector))
  }

  refused(code: ErrorCode, message: string): void {
    this.fail(new ProtocolError(code, message))
  }

  handle(bytes: Uint8Array): Promise<void> | null {
    const { document, request } = this
    if (request !== null) {
      this.request = null
      return this.enter(request)
    }
    if (!this.socket.isOpen() || document === null) return null
    this.checkFrameSize(bytes)
    const message = decodeYjsMessage(bytes)
    return message.type === 'unknown' ? null : document.handle(message)
  }

  /** y-websocket does not wait for acks. */
  number(): null {
    return null
  }

  acked(): void {
    // No change has a number.
  }

  deny(): void {
    this.context.observer.error('forbidden')
    if (!this.deniedTold) this.socket.send(encodePermissionDenied('the grant is to read only'))
    this.deniedTold = true
  }

  show(awareness: Uint8Array): void {
    this.socket.sendLossy(encodeAwareness(awareness))
  }

  protected warn(): void {
    // As for `tell`.
  }

  protected tell(): void {
    // y-protocols has no errors: the close code says it.
  }
}
