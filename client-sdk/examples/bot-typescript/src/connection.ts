/* One connection after another to the server: opened, kept alive, and tried again when it is lost. Knows nothing of rooms. */
import WebSocket from 'ws'
import {
  CloseCode,
  decodeServerFrame,
  encodeClientFrame,
  PROTOCOL_VERSION,
  retryClass,
  type ClientFrame,
} from '@weft/protocol'
import { Refused, type BotOptions } from './types.js'

/** What a server says; of a type that this codec does not know, only that. */
export type ReceivedFrame = ReturnType<typeof decodeServerFrame>

/** Bounds of the wait before a retry, in milliseconds: they double from the first to the second. */
const retryBase = 500
const retryMax = 30_000
/** What ws reports where no server has closed the connection. */
const noConnection = 1006
/** How long a server may take to answer before it has told its heartbeat, in milliseconds. */
const connectTimeout = 10_000

export interface ConnectionHost {
  received(frame: ReceivedFrame): void
  /** It is lost. */
  down(): void
  /** The next attempt comes after `delay` milliseconds. */
  retries(code: number, delay: number): void
  /** It is refused for good. */
  refused(error: Refused): void
}

export class Connection {
  private readonly options: BotOptions
  private readonly clientId: Uint8Array
  private readonly host: ConnectionHost
  private readonly random: () => number
  private readonly timers = new Set<NodeJS.Timeout>()
  private ws: WebSocket | null = null
  private closed = false
  private lastHeard = 0
  /** Silence after which the connection is dead, in milliseconds. */
  private patience = connectTimeout
  private earliestRetry = 0
  private failures = 0

  constructor(options: BotOptions, clientId: Uint8Array, host: ConnectionHost) {
    this.options = options
    this.clientId = clientId
    this.host = host
    this.random = options.random ?? Math.random
  }

  async open(): Promise<void> {
    let token: string | null
    try {
      const { token: given } = this.options
      token = typeof given === 'function' ? await given() : (given ?? null)
    } catch {
      // Whoever issues tokens is away: as good as no network.
      this.retry(noConnection)
      return
    }
    if (this.closed) return
    const ws = new WebSocket(`${this.options.url}/v1/connect`, { handshakeTimeout: connectTimeout })
    this.ws = ws
    this.lastHeard = Date.now()
    this.every(1000, () => {
      if (Date.now() - this.lastHeard > this.patience) ws.terminate()
    })
    ws.on('open', () => {
      const { clientId } = this
      this.send({ type: 'hello', version: PROTOCOL_VERSION, token, clientId, agent: 'weft-bot-typescript' })
    })
    ws.on('message', (data: Buffer) => {
      this.lastHeard = Date.now()
      let frame: ReceivedFrame
      try {
        // A copy of its own: what a frame holds outlives the socket's buffer.
        frame = decodeServerFrame(new Uint8Array(data))
      } catch (error) {
        this.host.refused(new Refused('invalid_frame', String(error)))
        return
      }
      if (frame.type === 'ping') this.send({ type: 'pong', id: frame.id })
      else this.host.received(frame)
    })
    // A close always follows, and says what there is to say.
    ws.on('error', () => undefined)
    ws.on('close', (code, reason) => this.lost(code, reason.toString()))
  }

  send(frame: ClientFrame): void {
    if (this.ws?.readyState === WebSocket.OPEN) this.ws.send(encodeClientFrame(frame))
  }

  /** P10: both sides say something in each heartbeat, and give up after two without. */
  keepAlive(heartbeat: number): void {
    this.patience = 2 * heartbeat
    this.every(heartbeat / 2, () => this.send({ type: 'ping', id: 0 }))
  }

  /** The next attempt comes no sooner than that, in milliseconds from now. */
  stayAway(delay: number): void {
    this.earliestRetry = Date.now() + delay
  }

  /** All is well: the next wait is a short one. */
  works(): void {
    this.failures = 0
  }

  /** After a random time, longer with each failure, unless the connection is lost before. */
  later(least: number, act: () => void): void {
    const timer = setTimeout(
      () => {
        this.timers.delete(timer)
        act()
      },
      least + this.jitter(this.failures++),
    )
    this.timers.add(timer)
  }

  /** Until the connection is lost. */
  every(interval: number, act: () => void): void {
    this.timers.add(setInterval(act, interval))
  }

  /** Full jitter, from the first retry: clients that lost one node do not come back as one. */
  jitter(failures: number): number {
    return this.random() * Math.min(retryMax, retryBase * 2 ** failures)
  }

  close(): void {
    this.closed = true
    this.stopTimers()
    this.ws?.close()
  }

  private lost(code: number, reason: string): void {
    this.stopTimers()
    this.patience = connectTimeout
    this.host.down()
    if (this.closed) return
    // The one permanent code that a bot can do something about: a new token.
    const renewable = code === CloseCode.tokenExpired && typeof this.options.token === 'function'
    if (retryClass(code) === 'permanent' && !renewable) this.host.refused(new Refused(String(code), reason))
    else this.retry(code)
  }

  private retry(code: number): void {
    if (this.closed) return
    const delay = Math.max(0, this.earliestRetry - Date.now()) + this.jitter(this.failures++)
    this.earliestRetry = 0
    const timer = setTimeout(() => {
      this.timers.delete(timer)
      void this.open()
    }, delay)
    this.timers.add(timer)
    this.host.retries(code, delay)
  }

  private stopTimers(): void {
    for (const timer of this.timers) clearTimeout(timer)
    this.timers.clear()
  }
}
