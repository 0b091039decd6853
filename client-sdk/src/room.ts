/* One room of a client: its document, its outbox, its presence, and where they stand against the server. */
import { isRetryable, type Access, type ErrorFrame, type JoinedFrame } from '@weft/protocol'
import { Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'
import { applyUpdates } from './apply.js'
import { fullJitter } from './backoff.js'
import { Emitter, type Unsubscribe } from './emitter.js'
import { WeftError } from './errors.js'
import type { Member, RoomFrame } from './memberships.js'
import { deletesOf, isEmpty, missingDeletes, missingStructs, type Deletes } from './missing.js'
import { PresenceChannel } from './presence.js'
import type { RoomHost } from './room-host.js'
import { Sender } from './sender.js'
import { SyncCollector } from './sync-collector.js'
import type { Room, RoomEvents, RoomPresence, RoomStatus } from './types.js'
import { Waiters, handled } from './waiters.js'

/** Bounds of the delay before a refused join is tried again, in milliseconds. */
const retryBase = 500
const retryMax = 15_000

/** A room with the shapes of its presence forgotten: what the client keeps. */
export type RoomCore = RoomImpl<Record<string, unknown>>

export class RoomImpl<P extends object> implements Room<P>, Member {
  readonly name: string
  private readonly host: RoomHost
  private readonly emitter: Emitter<RoomEvents<P>>
  private readonly sender: Sender
  private readonly channel: PresenceChannel<P>
  private readonly syncers = new Waiters()
  private document: Y.Doc
  private references = 1
  private currentStatus: RoomStatus = 'offline'
  private currentAccess: Access | null = null
  private epoch: number | null = null
  /** Every event up to here has been applied: where to resume. Null until the first state is complete. */
  private watermark: number | null = null
  /** The first full state has come. */
  private complete = false
  private syncing: { collector: SyncCollector; head: number; deletes: Deletes | null } | null = null
  private failures = 0
  private cancelRetry: (() => void) | null = null
  private denial: WeftError | null = null

  constructor(name: string, doc: Y.Doc, firstNumber: number, host: RoomHost) {
    this.name = name
    this.host = host
    this.document = doc
    this.emitter = new Emitter(host.logger)
    const number = (): number | null => host.roomOf(this)
    this.sender = new Sender(firstNumber, {
      clock: host.clock,
      random: host.random,
      get limits() {
        return host.limits
      },
      get congested() {
        return host.congested
      },
      get number() {
        return number()
      },
      send: (frame) => host.send(frame),
      counted: (unsaved) => this.emitter.emit('unsaved', unsaved),
      rejected: (rejection) => this.emitter.emit('rejected', rejection),
      settled: () => this.settled(),
    })
    this.channel = new PresenceChannel(new Awareness(doc), {
      clock: host.clock,
      interval: host.presenceInterval,
      send: (awareness) => this.sendPresence(awareness),
      changed: () => this.emitter.emit('presence', this.channel.others),
    })
    doc.on('update', this.onUpdate)
  }

  get doc(): Y.Doc {
    return this.document
  }

  get awareness(): Awareness {
    return this.channel.awareness
  }

  get presence(): RoomPresence<P> {
    return this.channel
  }

  get status(): RoomStatus {
    return this.currentStatus
  }

  get access(): Access | null {
    return this.currentAccess
  }

  get unsaved(): number {
    return this.sender.unsaved
  }

  on<K extends keyof RoomEvents<P>>(event: K, listener: (payload: RoomEvents<P>[K]) => void): Unsubscribe {
    return this.emitter.on(event, listener)
  }

  synced(): Promise<void> {
    if (this.currentStatus === 'left') return handled(Promise.reject(left()))
    if (this.complete) return Promise.resolve()
    const denial = this.denial ?? this.host.denial
    if (denial !== null) return handled(Promise.reject(denial))
    return this.syncers.wait(0)
  }

  saved(): Promise<void> {
    if (this.sender.unsaved === 0) return Promise.resolve()
    const denial = this.currentStatus === 'left' ? left() : (this.denial ?? this.host.denial)
    if (denial !== null) return handled(Promise.reject(denial))
    return this.sender.saved()
  }

  /** One more `client.room(name)`; takes a room back that is only waiting for its last acks. */
  retain(): void {
    this.references++
    if (this.references === 1 && this.channel.awareness.getLocalState() === null) {
      this.channel.awareness.setLocalState({})
    }
  }

  leave(): void {
    if (this.references === 0) return
    this.references--
    if (this.references > 0) return
    // Sent at once: the others need not wait for the last ack.
    this.channel.awareness.setLocalState(null)
    this.leaveWhenSaved()
  }

  /** Ends the room now, with whatever is not acknowledged. */
  end(error: WeftError): void {
    if (this.currentStatus === 'left') return
    this.host.leaveConnection(this)
    this.stopRetry()
    this.sender.rewind()
    this.document.off('update', this.onUpdate)
    this.channel.destroy()
    this.syncing = null
    this.setStatus('left')
    this.sender.fail(error)
    this.syncers.fail(error)
    this.emitter.clear()
    this.host.released(this as unknown as RoomCore, this.sender.nextNumber)
  }

  /** The connection is there. */
  up(): void {
    if (this.currentStatus === 'left' || this.denial?.code === 'room_deleted') return
    // A new connection may carry a new token.
    this.denial = null
    this.failures = 0
    this.join()
  }

  /** The connection is gone. */
  down(): void {
    this.stopRetry()
    this.syncing = null
    this.sender.rewind()
    this.channel.down()
    if (this.currentStatus !== 'denied') this.setStatus('offline')
  }

  /** The connection was refused for good: nothing comes until somebody acts. */
  connectionDenied(error: WeftError): void {
    this.sender.fail(error)
    this.syncers.fail(error)
  }

  holding(): ReturnType<Member['holding']> {
    const fresh = isEmpty(this.document)
    return {
      epoch: this.epoch,
      after: this.watermark,
      stateVector: fresh ? null : Y.encodeStateVector(this.document),
    }
  }

  joined(frame: JoinedFrame): void {
    if (this.epoch !== null && this.epoch !== frame.epoch) {
      this.reset()
      if (frame.mode !== 'full') {
        // The server left out what the old document seemed to hold: ask again, with nothing in hand (P20).
        this.host.leaveConnection(this)
        this.join()
        return
      }
    }
    this.epoch = frame.epoch
    this.currentAccess = frame.access
    let missing: Uint8Array | null = null
    let deletes: Deletes | null = null
    if (
      (frame.mode !== 'resume' || this.unsaved > 0) &&
      frame.access === 'write' &&
      !isEmpty(this.document)
    ) {
      // Before the server's state is applied: what it brings need not be sent back (P19). Also when resuming with changes in
      // hand: they may hang on what a node relayed and did not commit before it died, and who saw it alone still has it.
      missing = missingStructs(this.document, frame.stateVector, this.sender.pending)
      // A Yjs update carries all deletes; only without one do they need a look of their own.
      if (missing === null && frame.mode !== 'resume') deletes = deletesOf(this.document)
    }
    if (frame.mode !== 'resume') this.watermark = null
    this.syncing = { collector: new SyncCollector(), head: frame.head, deletes }
    this.setStatus('syncing')
    if (missing !== null) this.sender.add(missing, true)
    this.sender.flush()
    // A listener may have ended it all.
    if (this.host.roomOf(this) !== null) this.channel.up()
  }

  refused(frame: ErrorFrame): void {
    const error = new WeftError(frame.code, frame.message)
    if (isRetryable(frame.code)) this.joinLater(frame.retryAfter)
    else this.deny(error)
  }

  frame(frame: Exclude<RoomFrame, JoinedFrame>): void {
    switch (frame.type) {
      case 'updates':
        this.apply(frame.updates)
        break
      case 'sync': {
        const updates = this.syncing?.collector.take(frame)
        if (updates !== undefined && updates !== null) this.completeSync(updates)
        break
      }
      case 'ack':
        this.sender.acknowledge(frame.n)
        break
      case 'nack':
        if (frame.code !== 'not_joined') this.sender.refused(frame)
        else {
          // Nothing was decided about the change: it is sent again after the next JOINED (P14).
          this.host.forget(this)
          this.sender.rewind()
          this.joinLater(0)
        }
        break
      case 'presences':
        try {
          this.channel.receive(frame.awareness)
        } catch (thrown) {
          this.fail('apply_failed', 'a presence update could not be applied', thrown)
        }
        break
      case 'watermark':
        // During a sync the events before it wait in the collector: only `done` says that they have been applied.
        if (this.syncing === null) this.watermark = Math.max(this.watermark ?? 0, frame.seq)
        break
      case 'left':
        this.channel.down()
        this.syncing = null
        this.sender.rewind()
        if (frame.code === 'left' || isRetryable(frame.code)) this.joinLater(0)
        else this.deny(new WeftError(frame.code, frame.message))
        break
      case 'event':
      case 'broadcasted':
        break
    }
  }

  private readonly onUpdate = (update: Uint8Array, origin: unknown): void => {
    if (origin !== this) this.sender.add(update)
  }

  private settled(): void {
    if (this.sender.unsaved > 0) return
    this.emitter.emit('saved', undefined)
    if (this.references === 0) this.leaveWhenSaved()
  }

  private completeSync(updates: readonly Uint8Array[]): void {
    if (this.syncing === null) return
    const { head, deletes } = this.syncing
    this.syncing = null
    this.apply(updates)
    if (deletes !== null) {
      try {
        const known = [...updates, ...this.sender.pending]
        const missing = missingDeletes(deletes, known)
        if (missing !== null) this.sender.add(missing, true)
      } catch (thrown) {
        this.fail('apply_failed', 'the deletes of the initial state could not be read', thrown)
      }
    }
    this.watermark = Math.max(this.watermark ?? 0, head)
    this.failures = 0
    this.complete = true
    this.setStatus('live')
    this.syncers.settle(null)
    this.emitter.emit('synced', undefined)
  }

  private apply(updates: readonly Uint8Array[]): void {
    applyUpdates(this.document, updates, this, (message, cause) => this.fail('apply_failed', message, cause))
  }

  private reset(): void {
    const previous = this.document
    const unsaved = this.sender.clear()
    previous.off('update', this.onUpdate)
    this.document = new Y.Doc({ gc: previous.gc })
    this.document.on('update', this.onUpdate)
    this.epoch = null
    this.watermark = null
    this.complete = false
    this.channel.rebind(new Awareness(this.document))
    this.sender.fail(new WeftError('room_reset', 'the room was deleted and made again'))
    this.emitter.emit('reset', { doc: this.doc, awareness: this.awareness, previous, unsaved })
    this.emitter.emit('unsaved', this.sender.unsaved)
  }

  private join(): void {
    if (!this.host.connected) return
    this.setStatus('joining')
    this.host.join(this)
  }

  private joinLater(retryAfter: number): void {
    this.setStatus('joining')
    this.stopRetry()
    const delay = retryAfter + fullJitter(this.failures++, retryBase, retryMax, this.host.random)
    this.cancelRetry = this.host.clock.after(delay, () => {
      this.cancelRetry = null
      this.join()
    })
  }

  private deny(error: WeftError): void {
    this.denial = error
    this.currentAccess = null
    this.setStatus('denied')
    this.sender.fail(error)
    this.syncers.fail(error)
    this.emitter.emit('error', error)
  }

  private fail(code: string, message: string, cause: unknown): void {
    const error = new WeftError(code, `${message} in room '${this.name}'`, cause)
    this.host.logger.error(`weft: ${error.message}`, cause)
    this.emitter.emit('error', error)
  }

  private sendPresence(awareness: Uint8Array): void {
    const room = this.host.roomOf(this)
    const limits = this.host.limits
    if (room === null || limits === null) return
    if (awareness.length > limits.presenceBytes) {
      this.fail(
        'too_large',
        `the presence has ${awareness.length} bytes and may have ${limits.presenceBytes}`,
        undefined,
      )
      return
    }
    this.host.send({ type: 'presence', room, awareness })
  }

  private leaveWhenSaved(): void {
    if (this.sender.unsaved === 0 || this.denial !== null) this.end(left())
  }

  private setStatus(status: RoomStatus): void {
    if (status === this.currentStatus) return
    this.currentStatus = status
    this.emitter.emit('status', status)
  }

  private stopRetry(): void {
    this.cancelRetry?.()
    this.cancelRetry = null
  }
}

const left = (): WeftError => new WeftError('room_left', 'the room was left')
