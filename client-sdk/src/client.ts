import { authedFrame, clientIdBytes, errorFrame, roomNameFault, type WelcomeWire } from '@weft/protocol'
import * as Y from './yjs.js'
import { systemClock } from './clock.js'
import { connectionInfo } from './connection-info.js'
import { defaultTiming, type ConnectionState } from './connection-states.js'
import { createEmitter } from './emitter.js'
import { WeftError } from './errors.js'
import { hex } from './event-log.js'
import type { IdleWatch } from './idle.js'
import { createLink, type LinkOptions, type LinkWire } from './link.js'
import { lostConnectionWatch } from './lost-connection.js'
import { createMemberships } from './memberships.js'
import { onDemand } from './on-demand.js'
import { platform } from './platform.js'
import type { RoomCore } from './room-core.js'
import type { RoomHost } from './room-host.js'
import { createRoom } from './room.js'
import type { Client, ClientEvents, ClientOptions, ConnectionInfo, Room, RoomOptions } from './types.js'
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
  const {
    auth,
    WebSocket,
    agent = '@weft/client',
    clock = systemClock,
    random = Math.random,
    logger = console,
    presenceInterval = defaultPresenceInterval,
  } = options
  const clientId = crypto.getRandomValues(new Uint8Array(clientIdBytes))
  const timing = { ...defaultTiming, ...options.timing }
  const rooms = new Map<string, RoomCore>()
  /** The next change number of rooms that were left: a number names one change for the life of the client (P27). */
  const numbers = new Map<string, number>()
  let info: ConnectionInfo = { status: 'idle' }
  let latency: number | null = null
  let welcomed: WelcomeWire | null = null

  /** The rooms in the order in which they were opened, whatever becomes of them meanwhile. */
  const each = (): RoomCore[] => [...rooms.values()]
  const unsaved = (): number => each().reduce((sum, room) => sum + room.unsaved, 0)

  const emitter = createEmitter<ClientEvents>(logger)
  const { emit } = emitter
  const error = (failure: WeftError): void => emit('error', failure)
  const lost = lostConnectionWatch(clock, timing.lostAfter, (what) => emit('lost-connection', what))
  const showIdle = (away: boolean): void => {
    for (const room of each()) room.setIdle(away)
  }
  let idle: IdleWatch | undefined
  /** Never rejects. */
  const watchIdle = async (): Promise<void> => {
    const idleAfter = options.idleAfter ?? null
    if (idleAfter === null) return
    try {
      const { start } = await onDemand.idle()
      if (idle || info.status === 'closed') return
      idle = start(clock, platform, idleAfter, showIdle)
      showIdle(idle.idle)
    } catch (thrown) {
      // Tried again with the next connection.
      error(thrown as WeftError)
    }
  }
  const connecting: LinkOptions = {
    url: endpoint(options.url),
    auth,
    WebSocket,
    clientId,
    agent,
    timing,
    clock,
    random,
    platform,
  }
  const persistence = options.persistence?.open({ link: connecting, logger, failed: error }) ?? null

  const changed = (state: ConnectionState): void => {
    const next = connectionInfo(state, (time) => clock.date() + time - clock.now())
    const { status } = next
    if (status === info.status && status !== 'reconnecting') return
    info = next
    lost(status)
    if (status === 'idle' || status === 'denied') persistence?.halt()
    if (status === 'denied') for (const room of each()) room.connectionDenied(next.reason)
    emit('status', next)
  }

  const take = (frame: LinkWire): void => {
    if (frame[0] === errorFrame && frame[1] === null) error(new WeftError(frame[2], frame[3]))
    else if (frame[0] === authedFrame) {
      // The new token may grant what the old one did not.
      for (const room of each()) if (room.status === 'denied') room.up()
    } else memberships.take(frame)
  }

  const link = createLink(connecting, {
    up: (welcome) => {
      welcomed = welcome
      for (const room of each()) room.up()
      persistence?.up(welcome[4])
      void watchIdle()
    },
    down: () => {
      memberships.clear()
      for (const room of each()) room.down()
    },
    frame: take,
    state: changed,
    latency: (ms) => emit('latency', (latency = ms)),
    error,
    get unsaved() {
      return unsaved() > 0
    },
    get syncing() {
      return each().some((room) => room.status === 'syncing')
    },
  })
  const { dispatch } = link
  const memberships = createMemberships(link.send)
  const host: RoomHost = {
    clock,
    random,
    logger,
    clientId: hex(clientId),
    presenceInterval,
    persistence,
    memberships,
    idle: {
      get idle() {
        return !!idle?.idle
      },
      activity: () => idle?.activity(),
    },
    link,
    get user() {
      return client.user
    },
    get limits() {
      return welcomed?.[6] ?? null
    },
    get denial() {
      return info.status === 'denied' ? info.reason : null
    },
    released: (room, nextNumber) => {
      const { name } = room
      numbers.set(name, nextNumber)
      if (rooms.get(name) === room) rooms.delete(name)
    },
  }
  const wake = (): void => dispatch('wake')
  const unwatch = [
    platform.listen('scope', ['online', 'pageshow'], wake),
    platform.listen('scope', ['offline'], () => dispatch('networkLost')),
    platform.listen('page', ['visibilitychange'], () => {
      if (!platform.hidden) wake()
    }),
    // A frozen page hears nothing: its end is what tells.
    platform.listen('page', ['resume'], wake),
  ]
  const closed = (): WeftError => new WeftError('client_closed', 'the client was closed')

  const client: Client = {
    get status() {
      return info.status
    },
    get connection() {
      return info
    },
    get latency() {
      return latency
    },
    get user() {
      return welcomed?.[4] ?? null
    },
    get unsaved() {
      return unsaved()
    },
    room: <
      P extends object = Record<string, unknown>,
      E extends object = Record<string, unknown>,
      B extends object = Record<string, unknown>,
    >(
      name: string,
      { doc }: RoomOptions = {},
    ): Room<P, E, B> => {
      if (info.status === 'closed') throw closed()
      let room = rooms.get(name)
      if (room) {
        if (doc && doc !== room.doc)
          throw new WeftError('room_in_use', `room '${name}' is open with another document`)
        room.retain()
      } else {
        const fault = roomNameFault(name)
        if (fault) throw new WeftError('invalid_room_name', fault)
        room = createRoom(name, doc ?? new Y.Doc(), numbers.get(name) ?? 1, host)
        rooms.set(name, room)
        if (link.connected) room.up()
      }
      // The one place where the caller's claim about the shapes is taken at its word.
      return room as unknown as Room<P, E, B>
    },
    connect: () => dispatch('connect'),
    disconnect: () => dispatch('disconnect'),
    close: () => {
      if (info.status === 'closed') return
      for (const stop of unwatch) stop()
      idle?.stop()
      dispatch('close')
      for (const room of each()) room.end(closed())
      persistence?.close()
      emitter.clear()
    },
    on: emitter.on,
  }
  void watchIdle()
  if (options.autoConnect !== false) client.connect()
  return client
}
