/* The I/O of a connection: does what `connection.ts` decides, with a socket, a timer and the auth function. */
import {
  PROTOCOL_VERSION,
  decodeServerFrame,
  encodeClientFrame,
  type ClientFrame,
  type ServerFrame,
  type WelcomeFrame,
} from '@weft/protocol'
import type { Clock } from './clock.js'
import {
  initialState,
  isUp,
  type ConnectionEffect,
  type ConnectionEvent,
  type ConnectionState,
  type Facts,
  type Timing,
} from './connection-states.js'
import { step } from './connection.js'
import { WeftError, messageOf } from './errors.js'
import type { Platform } from './platform.js'
import { expiryOf } from './token-refresh.js'
import type { Auth } from './types.js'
import { bytesOf, findWebSocket, type WebSocketConstructor, type WebSocketLike } from './websocket.js'

/** Above this many bytes waiting in the socket, changes stay in the outbox a little longer. */
const highWater = 1024 * 1024

/** With more bytes than this on their way to the server, the answer to a ping may be late behind them. */
const bulkBytes = 64 * 1024

/** How long a closing handshake may take before a Node socket is ended without it. */
const closeGrace = 1_000

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

/** What a link tells its owner. */
export interface LinkListener {
  /** The connection is there; called before the `connected` status is told. */
  up(welcome: WelcomeFrame): void
  down(): void
  /** Any other frame of a room. */
  frame(frame: ServerFrame): void
  state(state: ConnectionState): void
  latency(ms: number): void
  error(error: WeftError): void
  /** Whether changes wait for their acknowledgement. */
  readonly unsaved: boolean
  /** Whether the state of a room is on its way. */
  readonly syncing: boolean
}

export class Link {
  private readonly options: LinkOptions
  private readonly listener: LinkListener
  private current: ConnectionState = initialState
  private socket: WebSocketLike | null = null
  private welcome: WelcomeFrame | null = null
  private cancelTimer: (() => void) | null = null
  /** Counts attempts: what belongs to an earlier one is not heard any more. */
  private generation = 0
  /** Counts calls of `auth()`: only the last one's answer is heard. */
  private calls = 0
  private lastHeard = 0
  private received = 0
  private pingId = 0
  private pingSentAt = 0
  /** Bytes sent on this connection, up to the last ping, and up to the last ping that was answered. */
  private sent = 0
  private sentAtPing = 0
  private sentAtPong = 0
  private readonly queue: ConnectionEvent[] = []
  private running = false

  constructor(options: LinkOptions, listener: LinkListener) {
    this.options = options
    this.listener = listener
  }

  get state(): ConnectionState {
    return this.current
  }

  /** Whether the socket has so much to send that more should wait. */
  get congested(): boolean {
    return this.socket !== null && this.socket.bufferedAmount > highWater
  }

  /** Sends a frame on the connection that is up; without one it goes nowhere. */
  send(frame: ClientFrame): void {
    const { current } = this
    if (!isUp(current)) return
    this.write(frame)
    const change = frame.type === 'update' || frame.type === 'append' || frame.type === 'seed'
    const { clock, timing } = this.options
    if (change && current.due - clock.now() > timing.unsavedPing) this.dispatch({ type: 'changeSent' })
  }

  dispatch(event: ConnectionEvent): void {
    // Effects may bring events at once (a socket that throws, a listener that disconnects): one step after the other.
    this.queue.push(event)
    if (this.running) return
    this.running = true
    try {
      for (let next = this.queue.shift(); next !== undefined; next = this.queue.shift()) this.take(next)
    } finally {
      this.running = false
    }
  }

  private take(event: ConnectionEvent): void {
    const before = this.current
    const [next, effects] = step(before, event, this.facts())
    this.current = next
    for (const effect of effects) this.perform(effect)
    const again = next.name === 'waiting' && next !== before
    if (next.name !== before.name || again) this.listener.state(next)
  }

  private facts(): Facts {
    const { clock, random, timing, auth, platform } = this.options
    return {
      now: clock.now(),
      random,
      lastHeard: this.lastHeard,
      received: this.received,
      timing,
      refreshable: typeof auth === 'function',
      online: platform.online,
      hidden: platform.hidden,
      unsaved: this.listener.unsaved,
      bulk: this.sent - this.sentAtPong > bulkBytes || this.listener.syncing,
    }
  }

  private perform(effect: ConnectionEffect): void {
    switch (effect.type) {
      case 'authenticate':
        void this.authenticate()
        break
      case 'open':
        void this.open()
        break
      case 'greet':
        this.write({
          type: 'hello',
          version: PROTOCOL_VERSION,
          token: effect.token,
          clientId: this.options.clientId,
          agent: this.options.agent,
        })
        break
      case 'renew':
        this.write({ type: 'auth', token: effect.token })
        break
      case 'report':
        this.listener.error(new WeftError(effect.failure.code, effect.failure.message))
        break
      case 'ping':
        this.pingId++
        this.sentAtPing = this.sent
        this.pingSentAt = this.options.clock.now()
        this.write({ type: 'ping', id: this.pingId })
        break
      case 'abandon':
        this.abandon(effect.code, effect.reason)
        break
      case 'timer':
        this.cancelTimer?.()
        this.cancelTimer = this.options.clock.after(effect.ms, () => {
          this.cancelTimer = null
          this.dispatch({ type: 'timer' })
        })
        break
      case 'stopTimer':
        this.cancelTimer?.()
        this.cancelTimer = null
        break
      case 'up':
        if (this.welcome !== null) this.listener.up(this.welcome)
        break
      case 'down':
        this.listener.down()
        break
    }
  }

  /** Never rejects. */
  private async authenticate(): Promise<void> {
    const call = ++this.calls
    const { auth, clock } = this.options
    let event: ConnectionEvent
    try {
      const token = typeof auth === 'function' ? await auth() : (auth ?? null)
      const date = token === null ? null : expiryOf(token)
      event = { type: 'token', token, expires: date === null ? null : clock.now() + date - clock.date() }
    } catch (thrown) {
      event = { type: 'tokenFailed', message: `auth() failed: ${messageOf(thrown)}` }
    }
    if (call === this.calls) this.dispatch(event)
  }

  /** Never rejects. */
  private async open(): Promise<void> {
    const generation = ++this.generation
    let Socket: WebSocketConstructor
    try {
      Socket = await findWebSocket(this.options.WebSocket)
    } catch (thrown) {
      const failure = {
        code: thrown instanceof WeftError ? thrown.code : 'no_websocket',
        message: messageOf(thrown),
      }
      if (generation === this.generation) this.dispatch({ type: 'impossible', failure })
      return
    }
    if (generation !== this.generation) return
    try {
      this.attach(new Socket(this.options.url), generation)
    } catch (thrown) {
      // A page's content policy makes the constructor throw; the policy may be mended by a reload only.
      this.dispatch({ type: 'socketClosed', code: 1006, reason: messageOf(thrown) })
    }
  }

  private attach(socket: WebSocketLike, generation: number): void {
    const live = (): boolean => generation === this.generation
    this.socket = socket
    this.sent = 0
    this.sentAtPing = 0
    this.sentAtPong = 0
    socket.binaryType = 'arraybuffer'
    socket.onopen = () => {
      if (!live()) return
      this.lastHeard = this.options.clock.now()
      this.dispatch({ type: 'opened' })
    }
    socket.onmessage = (event: { readonly data: unknown }) => {
      if (live()) this.receive(event.data)
    }
    socket.onclose = (event: { readonly code: number; readonly reason: unknown }) => {
      if (!live()) return
      this.dispatch({ type: 'socketClosed', code: event.code, reason: String(event.reason) })
    }
    // The close that follows tells all there is. Without a listener `ws` would end the process.
    socket.onerror = () => undefined
  }

  private receive(data: unknown): void {
    this.lastHeard = this.options.clock.now()
    this.received++
    const bytes = bytesOf(data)
    if (bytes === null) {
      this.dispatch({ type: 'garbage', message: 'the server sent a text message' })
      return
    }
    let frame
    try {
      frame = decodeServerFrame(bytes)
    } catch (thrown) {
      this.listener.error(
        new WeftError('invalid_frame', `the server sent no valid frame: ${messageOf(thrown)}`, thrown),
      )
      this.dispatch({ type: 'garbage', message: messageOf(thrown) })
      return
    }
    switch (frame.type) {
      case 'unknown':
        break
      case 'ping':
        this.write({ type: 'pong', id: frame.id })
        break
      case 'pong':
        if (frame.id !== this.pingId) break
        this.sentAtPong = this.sentAtPing
        this.listener.latency(this.lastHeard - this.pingSentAt)
        break
      case 'welcome':
        this.welcome = frame
        this.dispatch({ type: 'welcome', heartbeat: frame.heartbeat })
        break
      case 'drain':
        this.dispatch({ type: 'drain', delay: frame.delay })
        break
      case 'error':
        if (frame.request === null) {
          const { code, message, retryAfter } = frame
          this.dispatch({ type: 'errorFrame', error: { code, message, retryAfter } })
        }
        this.listener.frame(frame)
        break
      case 'joined':
      case 'sync':
      case 'updates':
      case 'ack':
      case 'nack':
      case 'presences':
      case 'event':
      case 'broadcasted':
      case 'watermark':
      case 'left':
      case 'historyPage':
      case 'users':
      case 'access':
        this.listener.frame(frame)
        break
      case 'authed':
        this.dispatch({ type: 'authed' })
        this.listener.frame(frame)
        break
    }
  }

  private write(frame: ClientFrame): void {
    try {
      // The codec makes a buffer of its own for each frame, never a shared one.
      const bytes = encodeClientFrame(frame) as Uint8Array<ArrayBuffer>
      this.sent += bytes.length
      this.socket?.send(bytes)
    } catch {
      // A socket that is closing throws in some implementations; its close event follows and what was lost is resent.
    }
  }

  private abandon(code: number, reason: string): void {
    this.generation++
    this.calls++
    const socket = this.socket
    this.socket = null
    this.welcome = null
    if (socket === null) return
    socket.onopen = null
    socket.onmessage = null
    try {
      socket.close(code, reason.slice(0, 100))
    } catch {
      // Not open yet, or closed already: both are what is wanted.
    }
    if (socket.terminate === undefined) return
    // `ws` waits 30 s for a dead peer's half of the closing handshake, and keeps the process alive meanwhile.
    const timer = setTimeout(() => socket.terminate?.(), closeGrace)
    socket.onclose = () => clearTimeout(timer)
  }
}
