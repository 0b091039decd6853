/* One room of a client: its document, its outbox, its events, its presence, and where they stand against the server. */
import { isRetryable, type Access, type ErrorFrame, type JoinedFrame } from '@weft/protocol'
import { Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'
import { applyUpdates } from './apply.js'
import { fullJitter } from './backoff.js'
import { Broadcasts } from './broadcasts.js'
import { Emitter, type Unsubscribe } from './emitter.js'
import { WeftError } from './errors.js'
import type { EventLog } from './event-log.js'
import { LocalChanges } from './local-changes.js'
import type { Member, RoomFrame } from './memberships.js'
import { isEmpty } from './missing.js'
import { PresenceChannel } from './presence.js'
import type { RoomHost } from './room-host.js'
import { RoomKeeper, type RoomKeeperHost } from './room-keeper.js'
import { RoomWire } from './room-wire.js'
import { StateSync, unknownDeletes, type Holding, type SyncedState } from './state-sync.js'
import type { Broadcast, Reset, Room, RoomEvents, RoomPresence, RoomStatus } from './types.js'
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
  private readonly wire: RoomWire
  private readonly keeper: RoomKeeper
  private readonly restored: Promise<boolean>
  private readonly changes: LocalChanges
  private readonly broadcasts: Broadcasts
  private readonly channel: PresenceChannel<P>
  private readonly syncers = new Waiters()
  private readonly state = new StateSync()
  private document: Y.Doc
  private references = 1
  private currentStatus: RoomStatus = 'offline'
  private currentAccess: Access | null = null
  /** It could write once: what it wrote is kept when it may only read. */
  private wrote = false
  /** The first full state has come. */
  private complete = false
  private failures = 0
  private cancelRetry: (() => void) | null = null
  private denial: WeftError | null = null

  constructor(name: string, doc: Y.Doc, firstNumber: number, host: RoomHost) {
    this.name = name
    this.host = host
    this.document = doc
    this.emitter = new Emitter(host.logger)
    this.wire = new RoomWire(host, this)
    const failed = (message: string, cause: unknown): void => this.fail('apply_failed', message, cause)
    this.keeper = new RoomKeeper(name, host.persistence, this.keeping())
    const { store } = this.keeper
    this.changes = new LocalChanges(firstNumber, this.wire, {
      clock: host.clock,
      random: host.random,
      logger: host.logger,
      clientId: host.clientId,
      user: () => host.user,
      store,
      over: () => (this.currentStatus === 'left' ? left() : null),
      counted: () => this.emitter.emit('unsaved', this.unsaved),
      settled: () => this.settled(),
      rejected: (rejection) => this.emitter.emit('rejected', rejection),
      apply: (update) => this.apply([update]),
      replace: (lost, kept) => {
        this.reset('rejected', lost, kept)
        // A listener may have ended it.
        if (!this.hasLeft) this.rejoin()
      },
      failed,
    })
    const access = (): Access | null => this.currentAccess
    this.broadcasts = new Broadcasts(this.wire, { logger: host.logger, access, failed })
    this.channel = new PresenceChannel(new Awareness(doc), {
      clock: host.clock,
      interval: host.presenceInterval,
      logger: host.logger,
      get idle() {
        return host.idle
      },
      active: () => host.active(),
      send: (awareness) => this.sendPresence(awareness),
      changed: () => this.emitter.emit('presence', this.channel.others),
    })
    doc.on('update', this.onUpdate)
    this.restored = this.restore()
  }

  get doc(): Y.Doc {
    return this.document
  }

  get awareness(): Awareness {
    return this.channel.awareness
  }

  get events(): EventLog {
    return this.changes.events
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
    return this.changes.sender.unsaved + this.keeper.unsaved
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
    if (this.unsaved === 0) return Promise.resolve()
    const denial = this.currentStatus === 'left' ? left() : (this.denial ?? this.host.denial)
    if (denial !== null) return handled(Promise.reject(denial))
    const all = Promise.all([this.changes.sender.saved(), this.keeper.delivered()])
    return handled(all.then(() => undefined))
  }

  loaded(): Promise<boolean> {
    return this.restored
  }

  stored(): Promise<boolean> {
    return this.keeper.store?.stored() ?? Promise.resolve(false)
  }

  broadcast(name: string, payload: unknown): boolean {
    return this.broadcasts.send(name, payload)
  }

  onBroadcast<Name extends string>(name: Name, listener: (message: Broadcast<Name>) => void): Unsubscribe {
    return this.broadcasts.on(name, listener)
  }

  async seed(fill: (doc: Y.Doc) => void): Promise<boolean> {
    // Nobody can fill what is known to have been filled.
    return this.changes.seed(fill, () => isEmpty(this.document))
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
    this.changes.sender.rewind()
    this.document.off('update', this.onUpdate)
    this.channel.destroy()
    this.state.stop()
    this.setStatus('left')
    this.changes.end(error)
    this.keeper.fail(error)
    this.keeper.store?.close()
    this.syncers.fail(error)
    this.broadcasts.end()
    this.emitter.clear()
    this.host.released(this as unknown as RoomCore, this.changes.sender.nextNumber)
  }

  /** The user came or went. */
  setIdle(idle: boolean): void {
    this.channel.setIdle(idle)
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
    this.suspend()
    if (this.currentStatus !== 'denied') this.setStatus('offline')
  }

  /** The connection was refused for good: nothing comes until somebody acts. */
  connectionDenied(error: WeftError): void {
    this.changes.sender.fail(error)
    this.keeper.fail(error)
    this.syncers.fail(error)
  }

  holding(): Holding {
    return this.state.holding(this.document)
  }

  joined(frame: JoinedFrame): void {
    if (this.state.epoch !== null && this.state.epoch !== frame.epoch) {
      this.recreated()
      if (this.hasLeft) return
      if (frame.mode !== 'full') {
        // The server left out what the old document seemed to hold: ask again, with nothing in hand (P20).
        this.rejoin()
        return
      }
    }
    this.setAccess(frame.access)
    this.events.joined(this.state.from(frame), frame.head)
    const missing = this.state.begin(frame, this.document, this.pending, this.wire.limits?.updateBytes ?? 0)
    this.keeper.store?.joined()
    this.setStatus('syncing')
    if (missing !== null) this.changes.sender.add(missing, true)
    this.changes.sender.flush()
    // A listener may have ended it all.
    if (this.wire.number !== null) this.channel.up()
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
        const state = this.state.take(frame)
        if (state !== null) this.completeSync(state)
        break
      }
      case 'ack':
        this.changes.sender.acknowledge(frame.n, frame.seq)
        break
      case 'nack':
        // Under way when the grant was taken: kept with the others (P80).
        if (this.wire.held && frame.code === 'forbidden') break
        if (frame.code !== 'not_joined') this.changes.sender.refused(frame)
        else {
          // Nothing was decided about the change: it is sent again after the next JOINED (P14).
          this.host.forget(this)
          this.changes.sender.rewind()
          this.joinLater(0)
        }
        break
      case 'access':
        this.setAccess(frame.access)
        if (frame.access === 'write') this.rejoin()
        else this.emitter.emit('error', new WeftError('forbidden', frame.message))
        break
      case 'presences':
        try {
          this.channel.receive(frame.awareness)
        } catch (thrown) {
          this.fail('apply_failed', 'a presence update could not be applied', thrown)
        }
        break
      case 'watermark':
        if (!this.state.reached(frame.seq)) break
        this.events.reached(frame.seq)
        this.keeper.store?.position(frame.seq)
        break
      case 'left':
        this.suspend()
        if (frame.code === 'left' || isRetryable(frame.code)) this.joinLater(0)
        else this.deny(new WeftError(frame.code, frame.message))
        break
      case 'event':
        this.events.receive(frame)
        break
      case 'broadcasted':
        this.broadcasts.receive(frame)
        break
      case 'users':
        this.channel.receiveUsers(frame.users)
        break
    }
  }

  private readonly onUpdate = (update: Uint8Array, origin: unknown): void => {
    if (origin === this || origin === this.keeper) return
    this.keeper.store?.applied([update])
    this.changes.sender.add(update)
  }

  private settled(): void {
    if (this.unsaved === 0) this.emitter.emit('saved', undefined)
    if (this.references === 0) this.leaveWhenSaved()
  }

  /** Updates that are on their way: this client's, and those of closed tabs that it has taken over. */
  private get pending(): Uint8Array[] {
    return [...this.keeper.updates, ...this.changes.sender.pending]
  }

  private keeping(): RoomKeeperHost {
    const room = (): RoomImpl<P> => this
    return {
      get doc() {
        return room().document
      },
      get epoch() {
        return room().state.epoch
      },
      change: (n) => this.changes.sender.change(n),
      resume: (epoch, watermark) => {
        this.state.resume(epoch, watermark)
        if (watermark !== null) this.events.resume(watermark)
      },
      counted: () => this.emitter.emit('unsaved', this.unsaved),
      settled: () => this.settled(),
      refused: (change, error) => this.changes.refusedCarried(change, error),
    }
  }

  private async restore(): Promise<boolean> {
    const restored = await this.keeper.restore()
    if (this.keeper.store !== null && this.currentStatus === 'offline') this.join()
    return restored
  }

  private completeSync(state: SyncedState): void {
    this.apply(state.updates)
    try {
      const deletes = unknownDeletes(state, this.pending)
      if (deletes !== null) this.changes.sender.add(deletes, true)
    } catch (thrown) {
      this.fail('apply_failed', 'the deletes of the initial state could not be read', thrown)
    }
    this.events.reached(state.head)
    this.keeper.store?.position(state.head)
    this.failures = 0
    this.complete = true
    this.setStatus('live')
    this.syncers.settle(null)
    this.emitter.emit('synced', undefined)
  }

  private apply(updates: readonly Uint8Array[]): void {
    this.keeper.store?.applied(updates)
    applyUpdates(this.document, updates, this, (message, cause) => this.fail('apply_failed', message, cause))
  }

  /** The room was deleted and made again: nothing of the old one has a meaning. */
  private recreated(): void {
    const error = new WeftError('room_reset', 'the room was deleted and made again')
    const unsaved = [...this.keeper.recreated(error), ...this.changes.recreated(error)]
    this.state.epoch = null
    this.reset('recreated', unsaved, [])
  }

  /** Goes on with a new document, in which `kept` is applied. */
  private reset(reason: Reset['reason'], unsaved: readonly Uint8Array[], kept: readonly Uint8Array[]): void {
    const previous = this.document
    previous.off('update', this.onUpdate)
    this.document = new Y.Doc({ gc: previous.gc })
    this.keeper.store?.replaced()
    this.apply(kept)
    this.document.on('update', this.onUpdate)
    this.state.forget()
    this.complete = false
    this.channel.rebind(new Awareness(this.document))
    this.emitter.emit('reset', { reason, doc: this.doc, awareness: this.awareness, previous, unsaved })
    this.emitter.emit('unsaved', this.unsaved)
  }

  private get hasLeft(): boolean {
    return this.currentStatus === 'left'
  }

  /** Ends the membership, and asks for a new one. */
  private rejoin(): void {
    this.host.leaveConnection(this)
    this.suspend()
    this.join()
  }

  /** The membership is over: nothing is sent or expected until the next one. */
  private suspend(): void {
    this.state.stop()
    this.changes.sender.rewind()
    this.channel.down()
    this.events.down()
  }

  private join(): void {
    // What was kept comes first: it says what to ask for.
    if (!this.host.connected || this.keeper.restoring) return
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
    this.setAccess(null)
    this.setStatus('denied')
    this.changes.sender.fail(error)
    this.keeper.fail(error)
    this.syncers.fail(error)
    this.emitter.emit('error', error)
    // Nobody is left to do anything about it.
    if (this.references === 0) this.end(error)
  }

  private fail(code: string, message: string, cause?: unknown): void {
    const error = new WeftError(code, `${message} in room '${this.name}'`, cause)
    this.host.logger.error(`weft: ${error.message}`, cause)
    this.emitter.emit('error', error)
  }

  private sendPresence(awareness: Uint8Array): void {
    const { number, limits } = this.wire
    if (number === null || limits === null) return
    const { length } = awareness
    if (length <= limits.presenceBytes) this.wire.send({ type: 'presence', room: number, awareness })
    else this.fail('too_large', `the presence has ${length} bytes and may have ${limits.presenceBytes}`)
  }

  private leaveWhenSaved(): void {
    if (this.changes.sender.unsaved === 0 || this.denial !== null) this.end(left())
  }

  private setStatus(status: RoomStatus): void {
    if (status === this.currentStatus) return
    this.currentStatus = status
    this.emitter.emit('status', status)
  }

  private setAccess(access: Access | null): void {
    if (access === this.currentAccess) return
    this.currentAccess = access
    this.wrote ||= access === 'write'
    this.wire.held = this.wrote && access === 'read'
    this.emitter.emit('access', access)
  }

  private stopRetry(): void {
    this.cancelRetry?.()
    this.cancelRetry = null
  }
}

const left = (): WeftError => new WeftError('room_left', 'the room was left')
