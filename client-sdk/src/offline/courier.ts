/*
 * A second connection for the changes of a closed tab. A message is known by the client id that it was first sent under
 * (P27), and a connection has one client id: so they go out under the old id, and what the tab had sent before it was
 * closed is recognised. Rooms go one after the other.
 */
import { authedFrame, defaultSessionLimits, type SessionLimits, type WelcomeWire } from '@weft/protocol'
import { createLink, type Link, type LinkOptions } from '../link.js'
import { createMemberships, type Memberships } from '../memberships.js'
import type { Change } from '../outbox.js'
import type { KeptChange } from '../persistence.js'
import { Parcel, type Position } from './parcel.js'

/** What is to be sent in one room. */
export interface Load {
  readonly room: string
  readonly changes: readonly KeptChange[]
  readonly position: Position | null
}

/** What a courier tells, and asks. */
export interface CourierHost {
  /** The next room to see to; null when there is none. */
  next(): Load | null
  /** Whether the server knows the connection as whom the changes were made by. */
  accepts(user: string | null): boolean
  settled(room: string, n: number): void
  refused(room: string, change: Change, code: string, message: string): void
  /** The room is in another life than the one that its changes were made in. */
  outdated(room: string, epoch: number): void
  /** The courier has done what it can in the room, and goes on to the next. */
  visited(room: string): void
  /** The courier is back; its connection is closed. */
  ended(): void
}

export class Courier {
  private readonly host: CourierHost
  private readonly options: LinkOptions
  private readonly link: Link
  private readonly memberships: Memberships
  private parcel: Parcel | null = null
  private limits = defaultSessionLimits
  private over = false

  /** @param options as the client connects, with the client id of the closed tab */
  constructor(options: LinkOptions, host: CourierHost) {
    this.host = host
    this.options = options
    const visiting = (): boolean => this.parcel !== null
    this.link = createLink(options, {
      up: (welcome) => this.up(welcome),
      down: () => {
        this.memberships.clear()
        this.parcel?.rewind()
      },
      frame: (frame) => {
        if (frame[0] !== authedFrame) this.memberships.take(frame)
      },
      state: ({ name }) => {
        if (name === 'denied') this.end()
      },
      latency: () => undefined,
      error: () => undefined,
      // Something always is, as long as there is a courier.
      unsaved: true,
      get syncing() {
        return visiting()
      },
    })
    this.memberships = createMemberships((frame) => this.link.send(frame))
  }

  start(): void {
    this.link.dispatch('connect')
  }

  /** Ends the connection at once; the host hears no more. */
  stop(): void {
    this.over = true
    this.parcel?.stop()
    this.link.dispatch('close')
  }

  /** Takes back what is on its way in a room. */
  giveUp(room: string): void {
    if (this.parcel?.name === room) this.leave(this.parcel)
  }

  private up([, , , , user, , limits]: WelcomeWire): void {
    this.limits = limits
    if (!this.host.accepts(user)) this.end()
    else if (this.parcel !== null) this.memberships.join(this.parcel)
    else this.visitNext()
  }

  private visitNext(): void {
    const load = this.over ? null : this.host.next()
    if (load === null) {
      this.end()
      return
    }
    const { room, changes, position } = load
    const { clock, random } = this.options
    const { link, memberships, host } = this
    const limits = (): SessionLimits => this.limits
    const parcel: Parcel = new Parcel(room, changes, position, {
      clock,
      random,
      get limits() {
        return limits()
      },
      get congested() {
        return link.congested
      },
      get number() {
        return memberships.roomOf(parcel)
      },
      send: (frame) => link.send(frame),
      join: () => memberships.join(parcel),
      forget: () => memberships.forget(parcel),
      settled: (n) => host.settled(room, n),
      refused: (change, code, message) => host.refused(room, change, code, message),
      outdated: (epoch) => host.outdated(room, epoch),
      finished: () => this.leave(parcel),
    })
    this.parcel = parcel
    memberships.join(parcel)
  }

  private leave(parcel: Parcel): void {
    parcel.stop()
    this.memberships.leave(parcel)
    this.parcel = null
    this.host.visited(parcel.name)
    this.visitNext()
  }

  private end(): void {
    if (this.over) return
    this.stop()
    this.host.ended()
  }
}
