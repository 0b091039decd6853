import {
  ProtocolError,
  WireLimits,
  checkRoomName,
  type ServerFrame,
  type SessionLimits,
  type WelcomeFrame,
} from '@weft/protocol'
import * as Y from 'yjs'
import { systemClock, type Clock } from './clock.js'
import { connectionInfo } from './connection-info.js'
import { defaultTiming, isUp, type ConnectionState } from './connection-states.js'
import { Emitter, type Unsubscribe } from './emitter.js'
import { WeftError } from './errors.js'
import { hex } from './event-log.js'
import { IdleWatch } from './idle.js'
import { Link, type LinkOptions } from './link.js'
import { LostConnectionWatch } from './lost-connection.js'
import { Memberships } from './memberships.js'
import type { PersistenceSession } from './persistence.js'
import { platform } from './platform.js'
import type { RoomHost } from './room-host.js'
import { RoomImpl, type RoomCore } from './room.js'
import type {
  Client,
  ClientEvents,
  ClientOptions,
  ConnectionInfo,
  ConnectionStatus,
  Logger,
  Room,
  RoomOptions,
} from './types.js'
import { endpoint } from './websocket.js'

/** 33 ms: two frames of a screen, and no more than thirty presence messages a second from each member. */
const defaultPresenceInterval = 33

/**
 * Makes a client and, unless `autoConnect` is false, connects it.
 *
 * ```ts
 * const client = createClient({ url: 'ws://localhost:4400' })
 * const room = client.room('design/42')
 * await room.synced()
 * ```
 * @throws {WeftError} `invalid_url`
 */
export const createClient = (options: ClientOptions): Client => {
  const client = new ClientImpl(options)
  if (options.autoConnect !== false) client.connect()
  return client
}

class ClientImpl implements Client {
  private readonly emitter: Emitter<ClientEvents>
  private readonly link: Link
  private readonly memberships: Memberships
  private readonly rooms = new Map<string, RoomCore>()
  /** The next change number of rooms that were left: a number names one change for the life of the client (P27). */
  private readonly numbers = new Map<string, number>()
  private readonly host: RoomHost
  private readonly clock: Clock
  private readonly idle: IdleWatch
  private readonly lost: LostConnectionWatch
  private readonly persistence: PersistenceSession | null
  private readonly unwatch: () => void
  private info: ConnectionInfo = { status: 'idle' }
  private lastLatency: number | null = null
  private welcomed: WelcomeFrame | null = null

  constructor(options: ClientOptions) {
    const logger: Logger = options.logger ?? console
    const clock = options.clock ?? systemClock
    const random = options.random ?? Math.random
    const clientId = crypto.getRandomValues(new Uint8Array(WireLimits.clientIdBytes))
    const timing = { ...defaultTiming, ...options.timing }
    this.clock = clock
    this.emitter = new Emitter(logger)
    this.lost = new LostConnectionWatch(clock, timing.lostAfter, (what) =>
      this.emitter.emit('lost-connection', what),
    )
    const idle = new IdleWatch(clock, platform, options.idleAfter ?? null, (away) => {
      for (const room of [...this.rooms.values()]) room.setIdle(away)
    })
    this.idle = idle
    const unsaved = (): boolean => [...this.rooms.values()].some((room) => room.unsaved > 0)
    const syncing = (): boolean => [...this.rooms.values()].some((room) => room.status === 'syncing')
    const connecting: LinkOptions = {
      url: endpoint(options.url),
      auth: options.auth,
      WebSocket: options.WebSocket,
      clientId,
      agent: options.agent ?? '@weft/client',
      timing,
      clock,
      random,
      platform,
    }
    const failed = (error: WeftError): void => this.emitter.emit('error', error)
    this.persistence = options.persistence?.open({ link: connecting, logger, failed }) ?? null
    this.link = new Link(connecting, {
      up: (welcome) => this.up(welcome),
      down: () => this.down(),
      frame: (frame) => this.take(frame),
      state: (state) => this.changed(state),
      latency: (ms) => {
        this.lastLatency = ms
        this.emitter.emit('latency', ms)
      },
      error: (error) => this.emitter.emit('error', error),
      get unsaved() {
        return unsaved()
      },
      get syncing() {
        return syncing()
      },
    })
    const { link } = this
    const memberships = new Memberships((frame) => link.send(frame))
    const limits = (): SessionLimits | null => this.welcomed?.limits ?? null
    const user = (): string | null => this.user
    const denial = (): WeftError | null => (this.info.status === 'denied' ? this.info.reason : null)
    this.memberships = memberships
    this.host = {
      clock,
      random,
      logger,
      clientId: hex(clientId),
      get user() {
        return user()
      },
      presenceInterval: options.presenceInterval ?? defaultPresenceInterval,
      get idle() {
        return idle.idle
      },
      active: () => idle.activity(),
      persistence: this.persistence,
      get limits() {
        return limits()
      },
      get congested() {
        return link.congested
      },
      get connected() {
        return isUp(link.state)
      },
      get denial() {
        return denial()
      },
      send: (frame) => link.send(frame),
      roomOf: (room) => memberships.roomOf(room),
      read: (room, query) => memberships.read(room, query),
      join: (room) => memberships.join(room),
      leaveConnection: (room) => memberships.leave(room),
      forget: (room) => memberships.forget(room),
      released: (room, nextNumber) => {
        this.numbers.set(room.name, nextNumber)
        if (this.rooms.get(room.name) === room) this.rooms.delete(room.name)
      },
    }
    this.unwatch = platform.watch({
      wake: () => link.dispatch({ type: 'wake' }),
      networkLost: () => link.dispatch({ type: 'networkLost' }),
      hidden: () => idle.hidden(),
      activity: () => idle.activity(),
    })
  }

  get status(): ConnectionStatus {
    return this.info.status
  }

  get connection(): ConnectionInfo {
    return this.info
  }

  get latency(): number | null {
    return this.lastLatency
  }

  get user(): string | null {
    return this.welcomed?.user ?? null
  }

  get unsaved(): number {
    let sum = 0
    for (const room of this.rooms.values()) sum += room.unsaved
    return sum
  }

  room<
    P extends object = Record<string, unknown>,
    E extends object = Record<string, unknown>,
    B extends object = Record<string, unknown>,
  >(name: string, options: RoomOptions = {}): Room<P, E, B> {
    if (this.info.status === 'closed') throw new WeftError('client_closed', 'the client was closed')
    let room = this.rooms.get(name)
    if (room !== undefined) {
      if (options.doc !== undefined && options.doc !== room.doc) {
        throw new WeftError('room_in_use', `room '${name}' is open with another document`)
      }
      room.retain()
    } else {
      try {
        checkRoomName(name)
      } catch (thrown) {
        throw thrown instanceof ProtocolError ? new WeftError(thrown.code, thrown.message, thrown) : thrown
      }
      room = new RoomImpl(name, options.doc ?? new Y.Doc(), this.numbers.get(name) ?? 1, this.host)
      this.rooms.set(name, room)
      if (this.host.connected) room.up()
    }
    // The one place where the caller's claim about the shapes is taken at its word.
    return room as unknown as Room<P, E, B>
  }

  connect(): void {
    this.link.dispatch({ type: 'connect' })
  }

  disconnect(): void {
    this.link.dispatch({ type: 'disconnect' })
  }

  close(): void {
    if (this.info.status === 'closed') return
    this.unwatch()
    this.idle.stop()
    this.link.dispatch({ type: 'close' })
    for (const room of [...this.rooms.values()])
      room.end(new WeftError('client_closed', 'the client was closed'))
    this.persistence?.close()
    this.emitter.clear()
  }

  on<K extends keyof ClientEvents>(event: K, listener: (payload: ClientEvents[K]) => void): Unsubscribe {
    return this.emitter.on(event, listener)
  }

  private up(welcome: WelcomeFrame): void {
    this.welcomed = welcome
    // In the order in which they were opened.
    for (const room of [...this.rooms.values()]) room.up()
    this.persistence?.up(welcome)
  }

  private down(): void {
    this.memberships.clear()
    for (const room of [...this.rooms.values()]) room.down()
  }

  private take(frame: ServerFrame): void {
    if (frame.type === 'error' && frame.request === null) {
      this.emitter.emit('error', new WeftError(frame.code, frame.message))
    } else if (frame.type === 'authed') {
      // The new token may grant what the old one did not.
      for (const room of [...this.rooms.values()]) if (room.status === 'denied') room.up()
    } else this.memberships.take(frame)
  }

  private changed(state: ConnectionState): void {
    const { clock } = this
    const info = connectionInfo(state, (time) => clock.date() + time - clock.now())
    if (info.status === this.info.status && info.status !== 'reconnecting') return
    this.info = info
    this.lost.take(info.status)
    if (info.status === 'idle' || info.status === 'denied') this.persistence?.halt()
    if (info.status === 'denied')
      for (const room of [...this.rooms.values()]) room.connectionDenied(info.reason)
    this.emitter.emit('status', info)
  }
}
