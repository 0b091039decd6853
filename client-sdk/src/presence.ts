/* The presence of one room: the client's own state out, the others' in. */
import * as decoding from 'lib0/decoding'
import {
  Awareness,
  applyAwarenessUpdate,
  encodeAwarenessUpdate,
  removeAwarenessStates,
} from 'y-protocols/awareness'
import { writeAwareness, type AwarenessEntry } from '@weft/protocol'
import type { Clock } from './clock.js'
import type { Other, RoomPresence } from './types.js'

/** What the presence of a room needs of its room. */
export interface PresenceHost {
  readonly clock: Clock
  /** At most one frame per this many milliseconds. */
  readonly interval: number
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

export class PresenceChannel<P extends object> implements RoomPresence<P> {
  private readonly host: PresenceHost
  private bound: Awareness
  private joined = false
  private cancelWait: (() => void) | null = null
  private dirty = false
  private cached: readonly Other<P>[] | null = noOthers

  constructor(awareness: Awareness, host: PresenceHost) {
    this.host = host
    this.bound = awareness
    this.listen(awareness)
  }

  get awareness(): Awareness {
    return this.bound
  }

  get(): Readonly<Partial<P>> {
    return (this.bound.getLocalState() ?? {}) as Partial<P>
  }

  set(partial: Readonly<Partial<P>>): void {
    this.bound.setLocalState({ ...this.bound.getLocalState(), ...partial })
  }

  get others(): readonly Other<P>[] {
    this.cached ??= this.read()
    return this.cached
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
  }

  /** Takes a PRESENCES frame. @throws when it does not decode */
  receive(update: Uint8Array): void {
    applyAwarenessUpdate(this.bound, this.withoutOwn(update), remote)
  }

  /** Moves to the awareness of a new document, with the state that the client shows. */
  rebind(awareness: Awareness): void {
    const state = this.bound.getLocalState()
    this.destroy()
    this.bound = awareness
    this.cached = null
    awareness.setLocalState(state)
    this.listen(awareness)
    this.host.changed()
  }

  /** Ends the timers of the awareness, which otherwise keep a process alive. */
  destroy(): void {
    this.joined = false
    this.stopWaiting()
    this.bound.off('update', this.onUpdate)
    this.bound.off('change', this.onChange)
    this.bound.destroy()
  }

  private listen(awareness: Awareness): void {
    awareness.on('update', this.onUpdate)
    awareness.on('change', this.onChange)
  }

  /** Renewals too (every 15 s, by the awareness itself): stock clients drop a state that is not renewed. */
  private readonly onUpdate = ({ added, updated, removed }: Changes, origin: unknown): void => {
    if (origin === remote || !this.joined) return
    const own = this.bound.clientID
    if (removed.includes(own)) this.sendNow()
    else if (added.includes(own) || updated.includes(own)) this.sendSoon()
  }

  private readonly onChange = ({ added, updated, removed }: Changes): void => {
    const own = this.bound.clientID
    if (![added, updated, removed].some((ids) => ids.some((id) => id !== own))) return
    this.cached = null
    this.host.changed()
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

  private read(): readonly Other<P>[] {
    const states: ReadonlyMap<number, unknown> = this.bound.getStates()
    const others: Other<P>[] = []
    for (const [clientId, state] of states) {
      // What others send is theirs; that it has the caller's shape is the caller's claim.
      if (clientId !== this.bound.clientID) others.push({ clientId, presence: state as Partial<P> })
    }
    return others
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
