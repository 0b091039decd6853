/*
 * What both dialects of stock clients do with the messages of one client about one document: y-protocols sync and awareness.
 * Rules P39 to P43 of protocol/PROTOCOL.md.
 */
import { ProtocolError, readAwareness } from '@weft/protocol'
import { inspectUpdate, isLarge, type Inspection } from '../crdt/index.js'
import { mayShow } from './may-show.js'
import type { Membership } from './membership.js'
import type { SessionContext } from './session.js'
import { tellable } from './session.js'

/** A message of y-protocols that is about the document. */
export type DocumentMessage =
  | { readonly type: 'step1'; readonly stateVector: Uint8Array }
  | { readonly type: 'step2' | 'update'; readonly update: Uint8Array }
  | { readonly type: 'awareness'; readonly awareness: Uint8Array }
  | { readonly type: 'queryAwareness' }

export type ChangeKind = 'step2' | 'update'

/** What differs between the dialects. */
export interface StockDialect {
  readonly context: SessionContext
  /** The number under which the room acknowledges a change; null in a dialect without acks. */
  number(kind: ChangeKind, inspection: Inspection | null): number | null
  /** The grant does not allow the change: the client is told. */
  deny(kind: ChangeKind): void
  /** Sends what others show, unless the client reads too slowly. */
  show(awareness: Uint8Array): void
  /** What answering a step 1 threw. */
  failed(error: unknown): void
}

export class StockDocument {
  readonly member: Membership
  private readonly dialect: StockDialect
  /** The state vector of a step 1 that has not been answered yet. */
  private asked: Uint8Array | null = null
  private answering = false
  /** Until then nobody else's presence has been sent: what arrives is the client's own. */
  private presenceShown = false

  constructor(member: Membership, dialect: StockDialect) {
    this.member = member
    this.dialect = dialect
  }

  /** @returns null when it was handled at once. @throws {ProtocolError} and UpdateInvalidError, DocWorkerError */
  handle(message: DocumentMessage): Promise<void> | null {
    switch (message.type) {
      case 'step1':
        this.stepOne(message.stateVector)
        return null
      case 'step2':
        return this.stepTwo(message.update)
      case 'update':
        return this.change(message.update)
      case 'awareness':
        this.presence(message.awareness)
        return null
      case 'queryAwareness':
        this.showPresence(true)
        return null
    }
  }

  /** The client has read what waited for it: brings what it missed. @throws when the content cannot be read */
  async catchUp(): Promise<void> {
    await this.member.catchUp()
    if (!this.member.hasLeft) this.showPresence(true)
  }

  /** Not awaited: the client's own changes need not wait until its state has arrived. */
  private stepOne(stateVector: Uint8Array): void {
    // One answer covers what was asked while it was waited for: a flood of step 1s cannot pile up.
    this.asked = stateVector
    if (this.answering) return
    this.answerStepOne().catch((error: unknown) => {
      if (this.member.hasLeft) return
      const told = tellable(error)
      if (told === null) this.dialect.context.observer.fault('answering a step 1 failed', error)
      this.dialect.failed(told ?? new ProtocolError('load_failed', 'the room could not be read now'))
    })
  }

  private async answerStepOne(): Promise<void> {
    this.answering = true
    for (let asked = this.asked; asked !== null; asked = this.asked) {
      this.asked = null
      await this.member.sync({ mode: 'diff', stateVector: asked })
    }
    this.answering = false
  }

  /** The client's answer to our step 1; one that adds nothing is neither relayed nor journaled (P40). */
  private async stepTwo(update: Uint8Array): Promise<void> {
    const { member } = this
    const { room } = member
    this.checkSize(update)
    // In a reconnect storm everybody in sync sends the same bytes: only the first is looked into.
    const looked = await room.content.nothings.find(update, member.channel.loop, async () => {
      const checked = await this.inspect(update)
      const { inspection } = checked
      const nothing =
        inspection.empty ||
        (room.intake.knowsStructs(inspection) && (await room.content.addsNothing(checked.update)))
      return { ...checked, nothing }
    })
    if (member.hasLeft) return
    // Whoever only reads sends one as well: no word about what is known.
    if (looked.nothing) this.settle('step2', member.permissions.write ? looked.inspection : null)
    else if (looked.inspection !== null && member.permissions.write)
      this.accept('step2', looked.update, looked.inspection)
    else this.dialect.deny('step2')
    this.showPresence(false)
  }

  private change(update: Uint8Array): Promise<void> | null {
    this.checkSize(update)
    if (isLarge(update)) {
      if (this.member.permissions.write) return this.largeChange(update)
      this.dialect.deny('update')
      return null
    }
    this.take(update, inspectUpdate(update))
    return null
  }

  private async largeChange(update: Uint8Array): Promise<void> {
    const checked = await this.inspect(update)
    this.member.channel.loop.run(() => this.take(checked.update, checked.inspection))
  }

  private async inspect(update: Uint8Array): Promise<{ update: Uint8Array; inspection: Inspection }> {
    return isLarge(update)
      ? await this.member.room.inspectLarge(update)
      : { update, inspection: await this.member.channel.loop.inTurn(() => inspectUpdate(update)) }
  }

  private take(update: Uint8Array, inspection: Inspection): void {
    if (inspection.empty) this.settle('update', inspection)
    else this.accept('update', update, inspection)
  }

  /** A change that adds nothing: it counts as committed once everything before it is. */
  private settle(kind: ChangeKind, inspection: Inspection | null): void {
    const { member } = this
    if (member.hasLeft) return
    this.checkAcks(member)
    const n = this.dialect.number(kind, inspection)
    if (n !== null) member.room.acknowledge(member, n)
  }

  private accept(kind: ChangeKind, update: Uint8Array, inspection: Inspection): void {
    const { member } = this
    if (member.hasLeft) return
    if (!member.permissions.write) {
      this.dialect.deny(kind)
      return
    }
    // A stock client has no other way to hear it: it keeps its changes, and syncs when it is back (P42).
    if (!member.room.intake.hasRoom(update.length) || !member.room.intake.admits(inspection)) {
      throw new ProtocolError('overloaded', 'too many changes wait for the database')
    }
    this.checkGrowth(member, update, inspection)
    this.checkAcks(member)
    member.room.change(member, this.dialect.number(kind, inspection), update, inspection)
  }

  /** The document may become only so large (P76). */
  private checkGrowth({ room }: Membership, update: Uint8Array, inspection: Inspection): void {
    const growth = room.intake.growth(inspection, update.length)
    if (growth === 'fits') return
    if (growth === 'unknown')
      throw new ProtocolError('overloaded', 'how large the document is is not known yet')
    this.dialect.context.observer.limited('document')
    throw new ProtocolError('document_full', 'the document is as large as it may be')
  }

  /** What waits for something that never comes keeps all after it waiting as well (I6). */
  private checkAcks(member: Membership): void {
    if (member.room.isBehindWithAcks(member))
      throw new ProtocolError('overloaded', 'too many changes of this client wait for their acknowledgement')
  }

  /** Before anything is done with its bytes. */
  private checkSize(update: Uint8Array): void {
    const { updateBytes } = this.dialect.context.limits
    if (update.length <= updateBytes) return
    throw new ProtocolError('too_large', `an update has at most ${updateBytes} bytes`)
  }

  private presence(awareness: Uint8Array): void {
    const { member } = this
    const { presenceEntries, presenceBytes } = this.dialect.context.limits
    const entries = readAwareness(awareness, presenceEntries, presenceBytes)
    // Before it has been sent anybody's presence, it cannot be echoing.
    // A provider shows itself without being asked to, and has no ears for a refusal.
    if (!mayShow(member, entries)) {
      this.dialect.context.observer.error('forbidden')
      this.showPresence(false)
      return
    }
    const first = !member.presenceSeen && !this.presenceShown
    member.presenceSeen = true
    if (!member.room.setPresence(member, entries, first)) this.dialect.context.observer.error('overloaded')
    this.showPresence(false)
  }

  private showPresence(again: boolean): void {
    if (this.presenceShown && !again) return
    this.presenceShown = true
    const { room, channel } = this.member
    channel.loop.run(() => {
      const awareness = room.presence.snapshot()
      if (awareness !== null) this.dialect.show(awareness)
    })
  }
}
