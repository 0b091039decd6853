/* The I/O of a connection: does what `connection.ts` decides, with a socket, a timer and the auth function. */
import {
  PROTOCOL_VERSION,
  appendFrame,
  authFrame,
  authedFrame,
  decodeServerWire,
  drainFrame,
  encodeClientWire,
  errorFrame,
  helloFrame,
  pingFrame,
  pongFrame,
  seedFrame,
  updateFrame,
  welcomeFrame,
  type ClientWire,
  type ServerWire,
  type WelcomeWire,
} from '@weft/protocol'
import type { Clock } from './clock.js'
import {
  initialState,
  isUp,
  type ConnectionActions,
  type ConnectionEvent,
  type ConnectionState,
  type Timing,
} from './connection-states.js'
import { step } from './connection.js'
import { fullJitter } from './backoff.js'
import { WeftError, messageOf } from './errors.js'
import { onDemand } from './on-demand.js'
import type { Platform } from './platform.js'
import { endSoon } from './socket-node.js'
import { createTimer } from './timer.js'
import type { TokenRefresh } from './token-refresh.js'
import type { Auth } from './types.js'
import { bytesOf, findWebSocket, type WebSocketConstructor, type WebSocketLike } from './websocket.js'

/** Above this many bytes waiting in the socket, changes stay in the outbox a little longer. */
const highWater = 1024 * 1024

/** With more bytes than this on their way to the server, the answer to a ping may be late behind them. */
const bulkBytes = 64 * 1024

export interface LinkOptions {
  readonly url: string
  readonly auth: Auth | undefined
  readonly WebSocket: WebSocketConstructor | undefined
  readonly clientId: Uint8Array
  readonly agent: string
  readonly timing: Timing
  readonly clock: Clock
  readonly random: () => number
  readonly platform: Platform
}

/** What a link does not answer itself. */
export type LinkWire = Exclude<
  ServerWire,
  WelcomeWire | readonly [type: typeof pingFrame | typeof pongFrame | typeof drainFrame, value: number]
>

/** What a link tells its owner. */
export interface LinkListener {
  /** The connection is there; called before the `connected` status is told. */
  up(welcome: WelcomeWire): void
  down(): void
  /** Any frame of a room, and those that tell the client something: ERROR and AUTHED. */
  frame(frame: LinkWire): void
  state(state: ConnectionState): void
  latency(ms: number): void
  error(error: WeftError): void
  /** Whether changes wait for their acknowledgement. */
  readonly unsaved: boolean
  /** Whether the state of a room is on its way. */
  readonly syncing: boolean
}

export interface Link {
  /** Whether frames may be sent. */
  readonly connected: boolean
  /** Whether the socket has so much to send that more should wait. */
  readonly congested: boolean
  /** Sends a frame on the connection that is up; without one it goes nowhere. */
  send(frame: ClientWire): void
  dispatch(...event: ConnectionEvent): void
}

export const createLink = (options: LinkOptions, listener: LinkListener): Link => {
  const { clock, random, timing, auth, platform, clientId, agent } = options
  const timer = createTimer(clock)
  let state: ConnectionState = initialState
  let socket: WebSocketLike | null = null
  let welcome: WelcomeWire | null = null
  /** The token that the running attempt was made with. */
  let token: string | null = null
  let refresh: TokenRefresh | undefined
  /** Counts attempts, and what they ask for: what belongs to an earlier one is not heard any more. */
  let generation = 0
  let lastHeard = 0
  let received = 0
  let pingId = 0
  let pingSentAt = 0
  /** Bytes sent on this connection, up to the last ping, and up to the last ping that was answered. */
  let sent = 0
  let sentAtPing = 0
  let sentAtPong = 0
  const queue: ConnectionEvent[] = []
  let running = false

  const dispatch = (...event: ConnectionEvent): void => {
    // Effects may bring events at once (a socket that throws, a listener that disconnects): one step after the other.
    queue.push(event)
    if (running) return
    running = true
    try {
      for (let next = queue.shift(); next; next = queue.shift()) take(next)
    } finally {
      running = false
    }
  }

  const take = (event: ConnectionEvent): void => {
    const before = state
    const [next, effects] = step(before, event, {
      now: clock.now(),
      random,
      lastHeard,
      received,
      timing,
      refreshable: typeof auth === 'function',
      online: platform.online,
      hidden: platform.hidden,
      unsaved: listener.unsaved,
      bulk: sent - sentAtPong > bulkBytes || listener.syncing,
    })
    state = next
    for (const [name, ...values] of effects) (actions[name] as (...values: unknown[]) => unknown)(...values)
    if (next.name !== before.name || (next.name === 'waiting' && next !== before)) listener.state(next)
  }

  const actions: ConnectionActions = {
    /** Never rejects. */
    authenticate: async () => {
      const attempt = ++generation
      let event: ConnectionEvent
      try {
        event = ['token', typeof auth === 'function' ? await auth() : (auth ?? null)]
      } catch (thrown) {
        event = ['tokenFailed', `auth() failed: ${messageOf(thrown)}`]
      }
      if (attempt === generation) dispatch(...event)
    },
    /** Never rejects. */
    open: async () => {
      const attempt = ++generation
      let Socket: WebSocketConstructor | undefined
      let event: ConnectionEvent | undefined
      try {
        Socket = await findWebSocket(options.WebSocket)
        // A page's content policy makes the constructor throw; the policy may be mended by a reload only.
        if (attempt === generation) attach(new Socket(options.url), attempt)
      } catch (thrown) {
        const message = messageOf(thrown)
        event = Socket ? ['socketClosed', 1006, message] : ['impossible', { code: 'no_websocket', message }]
      }
      if (event && attempt === generation) dispatch(...event)
    },
    greet: (shown) => write([helloFrame, PROTOCOL_VERSION, (token = shown), clientId, agent]),
    ping: () => {
      sentAtPing = sent
      pingSentAt = clock.now()
      write([pingFrame, ++pingId])
    },
    abandon: (code, reason) => {
      generation++
      refresh?.stop()
      refresh = undefined
      const old = socket
      socket = welcome = null
      if (!old) return
      old.onopen = old.onmessage = null
      try {
        old.close(code, reason.slice(0, 100))
      } catch {
        // Not open yet, or closed already: both are what is wanted.
      }
      endSoon(old)
    },
    timer: (ms) => timer.start(ms, () => dispatch('timer')),
    stopTimer: timer.stop,
    up: () => {
      if (welcome) listener.up(welcome)
      void keepFresh()
    },
    down: listener.down,
  }

  /** Never rejects. */
  const keepFresh = async (): Promise<void> => {
    const attempt = generation
    if (token === null || typeof auth !== 'function') return
    try {
      const { start } = await onDemand.token()
      if (attempt !== generation) return
      refresh = start(token, {
        clock,
        timing,
        random,
        auth,
        messageOf,
        send: (next) => write([authFrame, next]),
        failed: (message) => listener.error(new WeftError('auth_failed', message)),
        retryDelay: (failures) => fullJitter(failures, timing.retryBase, timing.retryMax, random),
      })
    } catch {
      // It does not come: the token is replaced by the next connection, after 4407.
    }
  }

  const attach = (opened: WebSocketLike, attempt: number): void => {
    const live = (): boolean => attempt === generation
    socket = opened
    sent = sentAtPing = sentAtPong = 0
    socket.binaryType = 'arraybuffer'
    socket.onopen = () => {
      if (!live()) return
      lastHeard = clock.now()
      dispatch('opened')
    }
    socket.onmessage = ({ data }: { readonly data: unknown }) => {
      if (live()) receive(data)
    }
    socket.onclose = ({ code, reason }: { readonly code: number; readonly reason: unknown }) => {
      if (live()) dispatch('socketClosed', code, String(reason))
    }
    // The close that follows tells all there is. Without a listener `ws` would end the process.
    socket.onerror = () => undefined
  }

  const receive = (data: unknown): void => {
    lastHeard = clock.now()
    received++
    let frame
    try {
      frame = decodeServerWire(bytesOf(data))
    } catch (thrown) {
      const message = messageOf(thrown)
      listener.error(new WeftError('invalid_frame', `the server sent no valid frame: ${message}`, thrown))
      dispatch('garbage', message)
      return
    }
    if (frame[0] === pingFrame) write([pongFrame, frame[1]])
    else if (frame[0] === pongFrame) {
      if (frame[1] !== pingId) return
      sentAtPong = sentAtPing
      listener.latency(lastHeard - pingSentAt)
    } else if (frame[0] === welcomeFrame) {
      welcome = frame
      dispatch('welcome', frame[5])
    } else if (frame[0] === drainFrame) dispatch('drain', frame[1])
    else if (frame[0] !== 0) {
      if (frame[0] === authedFrame) refresh?.authed()
      if (frame[0] === errorFrame && frame[1] === null) {
        const [, , code, message, retryAfter] = frame
        dispatch('errorFrame', { code, message, retryAfter })
      }
      listener.frame(frame)
    }
  }

  const write = (frame: ClientWire): void => {
    try {
      // The codec makes a buffer of its own for each frame, never a shared one.
      const bytes = encodeClientWire(frame) as Uint8Array<ArrayBuffer>
      sent += bytes.length
      socket?.send(bytes)
    } catch {
      // A socket that is closing throws in some implementations; its close event follows and what was lost is resent.
    }
  }

  return {
    get connected() {
      return isUp(state)
    },
    get congested() {
      return (socket?.bufferedAmount ?? 0) > highWater
    },
    send: (frame) => {
      if (!isUp(state)) return
      write(frame)
      const [type] = frame
      const change = type === updateFrame || type === appendFrame || type === seedFrame
      if (change && state.due - clock.now() > timing.unsavedPing) dispatch('changeSent')
    },
    dispatch,
  }
}
