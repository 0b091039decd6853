/*
 * A HocuspocusProvider's socket on `/hocuspocus`, with its documents. Rules P60 to P73 of protocol/PROTOCOL.md.
 */
import { ProtocolError } from '@weft/protocol'
import type { Identity } from '../auth/index.js'
import { BaseSession } from './base-session.js'
import { HocuspocusDocument } from './hocuspocus-document.js'
import type { HocuspocusSocket } from './hocuspocus-socket.js'
import type { SessionContext } from './session.js'
import type { Socket } from './socket.js'
import { decodeAddress, encodeAddress, encodeDenied, isPong, ping } from './hocuspocus-wire.js'

/** Milliseconds for the first good token. As long as the provider's own server gives. */
const strangerMs = 60_000
/** Messages that a denied token counts as (P75): to verify one takes so much more. */
const deniedFrames = 50
/** Providers close when nothing arrives for 30 s. */
const pingMs = 14_000

export class HocuspocusSession extends BaseSession implements HocuspocusSocket {
  isDraining = false
  readonly upgradeToken: string | null
  protected isKnown = false
  private readonly documents = new Map<string, HocuspocusDocument>()
  private readonly opened = performance.now()
  private lastPing = performance.now()
  private pings = 0
  private pongs = 0
  /** Who waits for which pong. */
  private trips: { readonly pong: number; readonly done: () => void }[] = []
  private connections = 0
  /** About a document: a pong is no word. */
  private hasSpoken = false

  constructor(id: string, socket: Socket, context: SessionContext, token: string | null) {
    super(id, socket, context)
    this.upgradeToken = token
  }

  /** That of any document: all are of one user. */
  get identity(): Identity | null {
    for (const { identity } of this.documents.values()) if (identity !== null) return identity
    return null
  }

  handle(bytes: Uint8Array): null {
    if (!this.socket.isOpen()) return null
    if (isPong(bytes)) {
      this.ponged()
      return null
    }
    this.documentAt(decodeAddress(bytes))?.inbox.add(bytes)
    this.hasSpoken = true
    return null
  }

  /** The first pong says so: it is the answer to the first message (P66). */
  get hasFlushed(): boolean {
    return this.pongs > 0
  }

  roundTrip(done: () => void): void {
    this.ping()
    this.trips.push({ pong: this.pings, done })
  }

  private ping(): void {
    this.pings++
    this.socket.send(ping)
  }

  private ponged(): void {
    if (this.pongs === this.pings) return
    this.pongs++
    if (this.pongs === 1) for (const document of this.documents.values()) document.statuses.flushed()
    const due = this.trips.filter(({ pong }) => pong <= this.pongs)
    this.trips = this.trips.filter(({ pong }) => pong > this.pongs)
    for (const { done } of due) done()
  }

  private documentAt(address: string): HocuspocusDocument | null {
    const known = this.documents.get(address)
    if (known !== undefined) return known
    const { roomsPerConnection } = this.context.limits
    if (this.documents.size >= roomsPerConnection) {
      this.context.observer.error('too_many_rooms')
      const reason = `a connection has at most ${roomsPerConnection} documents`
      this.socket.send(encodeDenied(encodeAddress(address), reason))
      return null
    }
    const document = new HocuspocusDocument(this, address)
    this.documents.set(address, document)
    return document
  }

  protected override get waitingBytes(): number {
    let bytes = super.waitingBytes
    for (const { inbox } of this.documents.values()) bytes += inbox.waitingBytes
    return bytes
  }

  nextConnection(): string {
    return `${this.id}.${++this.connections}`
  }

  checkUser(document: HocuspocusDocument, { user, tenant }: Identity): void {
    for (const other of this.documents.values()) {
      if (other === document || other.identity === null) continue
      if (other.identity.user !== user || other.identity.tenant !== tenant) {
        throw new ProtocolError(
          'unauthorized',
          'the token is of another user than those of the other documents',
        )
      }
    }
  }

  authenticated(): void {
    // Not at the very first: a provider takes any message for success, and one that is turned away would come back at once.
    if (!this.isKnown) this.ping()
    this.isKnown = true
  }

  identified(identity: Identity): void {
    this.takePlace(identity)
  }

  denied(): void {
    this.isInPace(performance.now(), 0, deniedFrames)
  }

  forget(address: string): void {
    this.documents.delete(address)
  }

  override closed(): void {
    super.closed()
    for (const document of this.documents.values()) document.dispose()
    this.documents.clear()
  }

  override tick(now: number): void {
    if (!this.isKnown && now - this.opened > strangerMs) {
      this.fail(new ProtocolError('timeout', 'no good token came in time'))
      return
    }
    // One that was denied may still get a token from its user; one that says nothing has no user.
    if (!this.hasSpoken && now - this.opened > this.context.limits.helloMs) {
      this.fail(new ProtocolError('timeout', 'nothing was said in time'))
      return
    }
    super.tick(now)
    if (now - this.lastPing < pingMs) return
    this.lastPing = now
    if (this.socket.buffered === 0) this.ping()
  }

  /** Providers wait for SyncStatuses: what they have sent is committed first. */
  drain(): void {
    this.isDraining = true
    this.settled()
  }

  settled(): void {
    if (!this.isDraining) return
    for (const { isSettled } of this.documents.values()) if (!isSettled) return
    this.shutDown()
  }

  review(room: string | null): void {
    for (const document of [...this.documents.values()]) document.review(room)
  }

  /** A provider comes back whatever the close code is: one that is to stay away keeps its socket, and no document. */
  override disconnect(final: boolean): void {
    if (!final) {
      super.disconnect(final)
      return
    }
    for (const document of this.documents.values()) {
      document.expel('disconnected by an administrator')
    }
  }

  fellBehind(): void {
    this.context.observer.behind()
    this.suspendOthers(null)
  }

  caughtUp(): void {
    this.resumeOthers()
  }

  suspendOthers(document: HocuspocusDocument | null): void {
    for (const other of this.documents.values()) if (other !== document) other.fellBehind()
  }

  resumeOthers(): void {
    for (const document of this.documents.values()) document.caughtUp()
  }

  failAll(error: ProtocolError): void {
    this.fail(error)
  }

  protected warn(): void {
    // As for `tell`.
  }

  protected tell(): void {
    // The close code says it.
  }
}
