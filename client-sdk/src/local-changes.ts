/*
 * What a room's own client does in it: edits, messages and seeds on their way through the outbox, and what becomes of
 * those that the server refuses.
 */
import { decodeValue } from '@weft/protocol'
import type * as Y from 'yjs'
import type { Clock } from './clock.js'
import type { WeftError } from './errors.js'
import { EventLog } from './event-log.js'
import type { Change, EventChange, UpdateChange } from './outbox.js'
import type { RoomStore } from './persistence.js'
import { refusalOf } from './refusal.js'
import type { RoomWire } from './room-wire.js'
import { Seeds, seedOf } from './seeds.js'
import { Sender } from './sender.js'
import type { Logger, Rejection } from './types.js'

/** What local changes need of their room. */
export interface LocalChangesHost {
  readonly clock: Clock
  readonly random: () => number
  readonly logger: Logger
  /** The client's id, in hexadecimal. */
  readonly clientId: string
  /** The verified user of the connection; null when anonymous. */
  user(): string | null
  /** Where changes are kept until they are settled, if anywhere. */
  readonly store: RoomStore | null
  /** Why nothing can be changed any more; null while it can. */
  over(): WeftError | null
  /** The number of unsaved changes has changed. */
  counted(unsaved: number): void
  /** Changes were settled; none may be left. */
  settled(): void
  /** Events that were missed have been handed on. */
  caughtUp(): void
  rejected(rejection: Rejection): void
  /** Applies an update to the document as one that needs no sending. */
  apply(update: Uint8Array): void
  /**
   * Replaces the document by what the server has.
   * @param lost the updates that are in neither
   * @param kept those that are still to be committed
   */
  replace(lost: readonly Uint8Array[], kept: readonly Uint8Array[]): void
  failed(message: string, cause: unknown): void
}

export class LocalChanges {
  readonly sender: Sender
  readonly events: EventLog
  private readonly host: LocalChangesHost
  private readonly seeds = new Seeds()
  /** Changes that stand in for refused ones. */
  private readonly replacements = new Set<number>()

  /** @param first the number of the first change */
  constructor(first: number, wire: RoomWire, host: LocalChangesHost) {
    const { clock, random, logger, clientId } = host
    this.host = host
    this.sender = new Sender(first, wire, {
      clock,
      random,
      counted: (unsaved) => host.counted(unsaved),
      committed: (change, seq, ackedAs) => this.committed(change, seq, ackedAs),
      refused: (change, error) => this.refused(change, error),
      settled: () => host.settled(),
      store: host.store,
    })
    this.events = new EventLog({
      clock,
      random,
      logger,
      clientId,
      user: () => host.user(),
      add: (name, payload) => this.sender.addEvent(name, payload),
      over: () => host.over(),
      read: (query) => wire.read(query),
      caughtUp: () => host.caughtUp(),
      failed: (message, cause) => host.failed(message, cause),
    })
  }

  /** See {@link Room.seed}. @param empty whether the document is, asked after `fill` has run */
  async seed(fill: (doc: Y.Doc) => void, empty: () => boolean): Promise<boolean> {
    const over = this.host.over()
    if (over !== null) throw over
    const update = seedOf(fill)
    return empty() ? this.seeds.wait(this.sender.addSeed(update)) : false
  }

  /** The room was deleted and made again. Returns the updates that are lost. */
  recreated(error: WeftError): Uint8Array[] {
    const lost = this.giveUp(0, error)
    this.sender.fail(error)
    this.events.reset(error)
    return lost
  }

  /** The room was left: whoever waits is told. */
  end(error: WeftError): void {
    this.sender.fail(error)
    this.seeds.fail(error)
    this.events.end(error)
  }

  private committed(change: Change, seq: number | null, ackedAs: number): void {
    this.replacements.delete(change.n)
    if (change.kind === 'event') this.events.committed(change, seq, ackedAs)
    if (change.kind === 'seed') {
      this.host.apply(change.update)
      this.seeds.answered(change.n, true)
    }
  }

  /** A change of a closed tab, which this client has sent for it, was refused. */
  refusedCarried(change: Change, error: WeftError): void {
    if (change.kind === 'event') this.dropped(change, error)
    else if (change.kind === 'update') this.refusedUpdate(change, error, true)
  }

  private dropped({ n, name, payload }: EventChange, { code, message }: WeftError): void {
    this.host.rejected({
      n,
      code,
      message,
      kind: 'event',
      name,
      payload: decodeValue(payload),
      outcome: 'dropped',
    })
  }

  private refused(change: Change, error: WeftError): void {
    const { n } = change
    switch (change.kind) {
      case 'event':
        this.events.refused(n, error)
        this.dropped(change, error)
        break
      case 'seed':
        if (error.code === 'not_empty') this.seeds.answered(n, false)
        else this.seeds.refused(n, error)
        break
      case 'update':
        this.refusedUpdate(change, error, false)
    }
  }

  /** In Yjs what was typed later hangs on what was refused: its place has to be filled, or it has to go as well. */
  private refusedUpdate({ n, update }: UpdateChange, error: WeftError, carried: boolean): void {
    const { code, message } = error
    const refusal = refusalOf(update, code, !carried && this.replacements.delete(n))
    this.host.rejected({ n, code, message, kind: 'update', update, outcome: refusal.outcome })
    // The listener may have left.
    if (this.host.over() !== null) return
    const { keepsLater, replacement, undo } = refusal
    if (replacement !== null) this.replacements.add(this.sender.add(replacement, true))
    if (undo !== null) this.host.apply(undo)
    else {
      // The numbers of a closed tab say nothing about this client's changes.
      const lost = keepsLater || carried ? [] : this.giveUp(n, error)
      this.host.replace([update, ...lost], this.sender.pending)
    }
  }

  /** Gives up the changes from `n` on. Returns the updates among them. */
  private giveUp(n: number, error: WeftError): Uint8Array[] {
    const lost = this.sender.clearFrom(n, error)
    for (const change of lost) {
      this.replacements.delete(change.n)
      if (change.kind === 'event') this.events.refused(change.n, error)
      if (change.kind === 'seed') this.seeds.refused(change.n, error)
    }
    return lost.flatMap((change) => (change.kind === 'update' ? [change.update] : []))
  }
}
