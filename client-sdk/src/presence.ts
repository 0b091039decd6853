/* The presence of one room: the client's own state out, the others' in. */
import * as decoding from 'lib0/decoding'
import {
  Awareness,
  applyAwarenessUpdate,
  encodeAwarenessUpdate,
  removeAwarenessStates,
} from 'y-protocols/awareness'
import type * as Y from 'yjs'
import { writeAwareness, type AwarenessEntry } from '@weft/protocol'
import type { Clock } from './clock.js'
import { Emitter, type Unsubscribe } from './emitter.js'
import type { Logger, Other, PresenceEvents, RoomPresence } from './types.js'

/** What the presence of a room needs of its room. */
export interface PresenceHost {
  readonly clock: Clock
  /** At most one frame per this many milliseconds. */
  readonly interval: number
  readonly logger: Logger
  /** Whether the user is away. */
  readonly idle: boolean
  /** The user did something. */
  active(): void
  send(awareness: Uint8Array): void
  /** Somebody else came, changed or went. */
  changed(): void
}

interface Changes {
  readonly added: readonly number[]
  readonly updated: readonly number[]
  readonly removed: readonly number[]
}

/** Marks what came from the server, so that it is not sent back (P30). */
const remote = Symbol('weft presence')

const noOthers: readonly Other<never>[] = []

interface Notices<P extends object> extends PresenceEvents<P> {
  /** After the others have changed, once for all of it. */
  changed: undefined
}

export class PresenceChannel<P extends object> implements RoomPresence<P> {
  private readonly host: PresenceHost
  private bound: Awareness
  private joined = false
  private cancelWait: (() => void) | null = null
  private dirty = false
  private cached: readonly Other<P>[] | null = noOthers
  private readonly emitter: Emitter<Notices<P>>
  /** In the order in which they came. Each keeps its object until it changes. */
  private readonly members = new Map<number, Other<P>>()
  /** Who the server says that presence ids belong to. */
  private readonly users = new Map<number, string | null>()

  constructor(awareness: Awareness, host: PresenceHost) {
    this.host = host
    this.emitter = new Emitter(host.logger)
    this.bound = awareness
    this.listen(awareness)
    this.setIdle(host.idle)
  }

  get awareness(): Awareness {
    return this.bound
  }

  get(): Readonly<Partial<P>> {
    return (this.bound.getLocalState() ?? {}) as Partial<P>
  }

  set(partial: Readonly<Partial<P>>): void {
    this.host.active()
    this.bound.setLocalState({ ...this.bound.getLocalState(), ...partial })
  }

  get others(): readonly Other<P>[] {
    this.cached ??= [...this.members.values()]
    return this.cached
  }

  get idle(): boolean {
    return isIdle(this.bound.getLocalState())
  }

  on<K extends keyof PresenceEvents<P>>(
    event: K,
    listener: (other: PresenceEvents<P>[K]) => void,
  ): Unsubscribe {
    return this.emitter.on(event, listener)
  }

  subscribe<T>(
    selector: (others: readonly Other<P>[]) => T,
    listener: (selected: T, previous: T) => void,
    isEqual: (a: T, b: T) => boolean = Object.is,
  ): Unsubscribe {
    let selected = selector(this.others)
    return this.emitter.on('changed', () => {
      const previous = selected
      const next = selector(this.others)
      if (isEqual(previous, next)) return
      selected = next
      listener(next, previous)
    })
  }

  /** Shows whether the user is there, beside what the application shows. */
  setIdle(idle: boolean): void {
    const state = this.bound.getLocalState()
    if (state === null || isIdle(state) === idle) return
    const shown = { ...state }
    delete shown['idle']
    this.bound.setLocalState(idle ? { ...shown, idle } : shown)
  }

  /** Takes a USERS frame: it comes before the presence of those whom it names. */
  receiveUsers(users: readonly { readonly id: number; readonly user: string | null }[]): void {
    const renamed: number[] = []
    for (const { id, user } of users) {
      this.users.set(id, user)
      const member = this.members.get(id)
      if (member !== undefined && member.user !== user) renamed.push(id)
    }
    if (renamed.length > 0) this.onChange({ added: [], updated: renamed, removed: [] }, remote)
  }

  /** The room has been joined: shows the own state. The first frame holds exactly one id (P31). */
  up(): void {
    const state = this.bound.getLocalState()
    // A newer clock than before the connection was lost: the others have seen this id go since then.
    if (state !== null) this.bound.setLocalState(state)
    this.joined = true
    if (state !== null) this.sendNow()
  }

  /** The membership is over, or the connection gone: nobody else is known to be here. */
  down(): void {
    this.joined = false
    this.stopWaiting()
    const own = this.bound.clientID
    const ids = [...this.bound.meta.keys()].filter((id) => id !== own)
    removeAwarenessStates(this.bound, ids, remote)
    // With their clocks: one who comes back unchanged would have no newer clock, and stay invisible.
    for (const id of ids) this.bound.meta.delete(id)
    this.users.clear()
  }

  /** Takes a PRESENCES frame. @throws when it does not decode */
  receive(update: Uint8Array): void {
    applyAwarenessUpdate(this.bound, this.withoutOwn(update), remote)
  }

  /** Moves to the awareness of a new document, with the state that the client shows. */
  rebind(awareness: Awareness): void {
    const state = this.bound.getLocalState()
    this.unbind()
    this.bound = awareness
    awareness.setLocalState(state)
    this.listen(awareness)
    this.onChange({ added: [], updated: [], removed: [...this.members.keys()] }, remote)
  }

  /** Ends the timers of the awareness, which otherwise keep a process alive. */
  destroy(): void {
    this.unbind()
    this.emitter.clear()
  }

  private unbind(): void {
    this.joined = false
    this.stopWaiting()
    this.bound.off('update', this.onUpdate)
    this.bound.off('change', this.onChange)
    this.bound.doc.off('update', this.onEdit)
    this.bound.destroy()
  }

  private listen(awareness: Awareness): void {
    awareness.on('update', this.onUpdate)
    awareness.on('change', this.onChange)
    awareness.doc.on('update', this.onEdit)
  }

  private readonly onEdit = (_: Uint8Array, __: unknown, ___: Y.Doc, { local }: Y.Transaction): void => {
    if (local) this.host.active()
  }

  /** Renewals too (every 15 s, by the awareness itself): stock clients drop a state that is not renewed. */
  private readonly onUpdate = ({ added, updated, removed }: Changes, origin: unknown): void => {
    if (origin === remote || !this.joined) return
    const own = this.bound.clientID
    if (removed.includes(own)) this.sendNow()
    else if (added.includes(own) || updated.includes(own)) this.sendSoon()
  }

  private readonly onChange = ({ added, updated, removed }: Changes, origin: unknown): void => {
    const own = this.bound.clientID
    const states: ReadonlyMap<number, unknown> = this.bound.getStates()
    const notices: [keyof PresenceEvents<P>, Other<P>][] = []
    for (const clientId of [...added, ...updated]) {
      if (clientId === own) continue
      // What others send is theirs; that it has the caller's shape is the caller's claim.
      const presence = states.get(clientId) as Partial<P>
      const user = this.users.get(clientId) ?? null
      const other = { clientId, user, idle: isIdle(presence), presence }
      notices.push([this.members.has(clientId) ? 'update' : 'join', other])
      this.members.set(clientId, other)
    }
    for (const clientId of removed) {
      const other = this.members.get(clientId)
      if (other === undefined) continue
      notices.push(['leave', other])
      this.members.delete(clientId)
      // Told again when it returns (P58); not when this awareness alone has dropped it, as one not renewed.
      if (origin === remote) this.users.delete(clientId)
    }
    if (notices.length === 0) return
    this.cached = null
    this.host.changed()
    for (const [event, other] of notices) this.emitter.emit(event, other)
    this.emitter.emit('changed', undefined)
  }

  /** At once when nothing was sent lately, else at the end of the interval: leading and trailing edge. */
  private sendSoon(): void {
    if (this.cancelWait === null) this.sendNow()
    else this.dirty = true
  }

  private sendNow(): void {
    this.stopWaiting()
    this.host.send(encodeAwarenessUpdate(this.bound, [this.bound.clientID]))
    this.cancelWait = this.host.clock.after(this.host.interval, () => {
      this.cancelWait = null
      if (this.dirty) this.sendNow()
    })
  }

  private stopWaiting(): void {
    this.dirty = false
    this.cancelWait?.()
    this.cancelWait = null
  }

  /**
   * The own entry of a PRESENCES frame (P33) is an echo: under a clock that the server raised it would overwrite what
   * was set since. Its clock is kept, its state is not.
   */
  private withoutOwn(update: Uint8Array): Uint8Array {
    const own = this.bound.clientID
    const decoder = decoding.createDecoder(update)
    const count = decoding.readVarUint(decoder)
    const others: AwarenessEntry[] = []
    for (let i = 0; i < count; i++) {
      const clientId = decoding.readVarUint(decoder)
      const clock = decoding.readVarUint(decoder)
      const state = decoding.readVarString(decoder)
      if (clientId !== own) others.push({ clientId, clock, state })
      else this.liftClock(clock, state === 'null')
    }
    return others.length === count ? update : writeAwareness(others)
  }

  private liftClock(clock: number, gone: boolean): void {
    const meta = this.bound.meta.get(this.bound.clientID)
    if (meta === undefined || clock < meta.clock) return
    meta.clock = clock
    // Somebody said that this client has gone: say that it is here, under a newer clock.
    const state = this.bound.getLocalState()
    if (gone && state !== null) this.bound.setLocalState(state)
  }
}

const isIdle = (state: object | null): boolean => state !== null && 'idle' in state && state.idle === true
