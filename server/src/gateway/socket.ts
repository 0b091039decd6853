/*
 * One WebSocket with its backpressure. What uWebSockets.js does (checked on 20.0.8):
 * - `send` gives 2 when the frame was dropped, also a small one behind a large one: such a frame waits in `queue`.
 * - `dropped` may not close, end or unsubscribe, or the process crashes: it sets a flag, and `setImmediate` acts.
 * - a `send` inside `drain`, or in a microtask after it, that the system takes only in part is the last one: uWS stops asking
 *   whether the socket is writable, and the rest stays where it is. `setImmediate` again.
 * - every call on a closed socket throws: `ws` is null from then on.
 */
import type { CloseCode } from '@weft/protocol'
import type { LoopLine } from '../tenants/index.js'
import type { FullWebSocket } from './uws.js'

/** Sends one piece of a paced transfer, and gives what uWS gave. */
export type Piece = (ws: FullWebSocket<unknown>) => number

/** A transfer sends so many pieces (of an initial state: of 64 KiB at most) before those of other sockets have their turn. */
const piecesPerTurn = 4

/** Milliseconds that a close frame may wait to be read. */
const lingerMs = 3_000

export interface SocketLimits {
  /** A transfer goes on while less than this many bytes wait in the socket. */
  readonly paceBytes: number
  /** Control frames (acks, errors) that may wait for a slow reader; beyond them it is closed as slow. */
  readonly queuedBytes: number
  /** The part of the event loop that all transfers of the node share: what is large goes in turns. */
  readonly transfers: LoopLine
  /** Publishes to the sockets of other uWS apps; null while there is one app, which is nearly always. */
  publishElsewhere: ((topic: string, frame: Uint8Array) => void) | null
}

interface Transfer {
  readonly pieces: Iterator<Piece>
  readonly end: () => void
  readonly done: (complete: boolean) => void
  readonly failed: (error: unknown) => void
}

/** What a session hears from its socket. */
export interface SocketEvents {
  /** A published frame did not reach the socket: leave the live topics. */
  fellBehind(): void
  /** What was sent has been read: catch up. */
  caughtUp(): void
  /** Too slow for too long, or too much waiting. */
  tooSlow(reason: string): void
}

export class Socket {
  /** `performance.now()` of the last message from the client. */
  lastReceived = performance.now()
  /** `performance.now()` when the socket last took something, or had nothing to take. */
  lastProgress = performance.now()
  /** Whether something was sent to this socket alone since the session last asked. */
  hasSent = false
  private ws: FullWebSocket<unknown> | null
  private readonly limits: SocketLimits
  private readonly events: SocketEvents
  /** Whether frames may go between the pieces of a transfer: not while a fragmented message is open. */
  private readonly interleaves: boolean
  private queue: Uint8Array[] = []
  private queuedBytes = 0
  private transfers: Transfer[] = []
  private behind = false
  private dropNoted = false
  private drainNoted = false
  private turnNoted = false
  private linger: NodeJS.Timeout | null = null

  constructor(ws: FullWebSocket<unknown>, limits: SocketLimits, interleaves: boolean, events: SocketEvents) {
    this.ws = ws
    this.limits = limits
    this.interleaves = interleaves
    this.events = events
  }

  isOpen(): boolean {
    return this.ws !== null
  }

  /** Whether the client reads more slowly than it is sent to. */
  get isBehind(): boolean {
    return this.behind
  }

  /** Bytes that wait in the socket. */
  get buffered(): number {
    return this.ws?.getBufferedAmount() ?? 0
  }

  /** Something waits for the client to read. */
  get isWaiting(): boolean {
    // A transfer that waits for its turn does not wait for the client.
    return this.behind || (this.transfers.length > 0 && !this.turnNoted) || this.buffered > 0
  }

  /** Sends a frame that must arrive: it waits if it has to. */
  send(frame: Uint8Array): void {
    if (this.ws === null) return
    // After a drop nothing may overtake what was dropped, until the member has left the live topic.
    if (this.queue.length === 0 && !this.dropNoted && (this.interleaves || this.transfers.length === 0)) {
      if (this.ws.send(frame, true) !== 2) {
        this.hasSent = true
        return
      }
      this.noteDrop()
    }
    this.queue.push(frame)
    this.queuedBytes += frame.length
    if (this.queuedBytes > this.limits.queuedBytes) {
      setImmediate(() => this.events.tooSlow('too many frames wait to be read'))
    }
  }

  /** Sends a frame that may be lost (presence): not to one who is behind. */
  sendLossy(frame: Uint8Array): void {
    if (!this.behind && this.queue.length === 0 && this.buffered < this.limits.paceBytes) this.send(frame)
  }

  /**
   * Sends pieces as fast as the client reads them, one transfer after the other.
   * @param end called in the turn after the last piece, when less than `paceBytes` wait: what it sends is not dropped
   * @returns whether all were sent, or the socket closed before. @throws what a piece or `end` throws
   */
  async transfer(pieces: Iterator<Piece>, end: () => void = () => undefined): Promise<boolean> {
    if (this.ws === null) return false
    return await new Promise((done, failed) => {
      this.transfers.push({ pieces, end, done, failed })
      if (this.transfers.length === 1) this.pump()
    })
  }

  /** The `drain` handler: acts later. */
  drained(): void {
    this.lastProgress = performance.now()
    if (this.drainNoted) return
    this.drainNoted = true
    setImmediate(() => {
      this.drainNoted = false
      this.goOn()
    })
  }

  /** Sends what waits for the client to read. */
  private goOn(): void {
    if (this.ws === null) return
    this.pump()
    if (this.behind && !this.dropNoted && this.queue.length === 0 && this.buffered === 0) {
      this.behind = false
      this.events.caughtUp()
    }
  }

  /** The `dropped` handler: notes it, acts later. */
  noteDrop(): void {
    if (this.dropNoted) return
    this.dropNoted = true
    if (!this.behind) this.lastProgress = performance.now()
    this.behind = true
    setImmediate(() => {
      this.dropNoted = false
      if (this.ws === null) return
      this.events.fellBehind()
      // It may have drained between the drop and now; no further `drain` would come.
      if (this.buffered === 0) this.drained()
    })
  }

  subscribe(topic: string): void {
    this.ws?.subscribe(topic)
  }

  unsubscribe(topic: string): void {
    this.ws?.unsubscribe(topic)
  }

  /** Publishes to everyone on the topic but this socket. @returns false when it is closed: publish for all instead */
  publish(topic: string, frame: Uint8Array): boolean {
    if (this.ws === null) return false
    this.ws.publish(topic, frame, true)
    this.limits.publishElsewhere?.(topic, frame)
    return true
  }

  /** Closes with a code; the reason is cut to what a close frame holds. */
  end(code: CloseCode, reason: string): void {
    const { ws } = this
    if (ws === null) return
    this.closed()
    // One that reads nothing never gets the close frame, and would keep the socket with all that waits in it.
    this.linger = setTimeout(() => ws.close(), lingerMs)
    ws.end(code, closeReason(reason))
  }

  /** The `close` handler. */
  closed(): void {
    this.ws = null
    if (this.linger !== null) clearTimeout(this.linger)
    this.linger = null
    this.queue = []
    const { transfers } = this
    this.transfers = []
    for (const { done } of transfers) done(false)
  }

  private pump(): void {
    const { ws } = this
    if (ws === null || this.dropNoted) return
    if (this.interleaves) this.flushQueue(ws)
    if (this.turnNoted) return
    const { transfers: line } = this.limits
    let sent = 0
    for (let transfer = this.transfers[0]; transfer !== undefined; transfer = this.transfers[0]) {
      try {
        for (;;) {
          if (ws.getBufferedAmount() >= this.limits.paceBytes) return
          if (sent === piecesPerTurn || line.isOver) {
            this.waitTurn(line)
            return
          }
          const piece = transfer.pieces.next()
          if (piece.done === true) break
          sent++
          if (line.run(() => piece.value(ws)) === 2) this.noteDrop()
        }
        this.transfers.shift()
        line.run(transfer.end)
        transfer.done(true)
      } catch (error) {
        if (this.transfers[0] === transfer) this.transfers.shift()
        transfer.failed(error)
      }
      if (this.ws === null) return
    }
    this.flushQueue(ws)
  }

  /** The transfers of other sockets go on first. */
  private waitTurn(line: LoopLine): void {
    this.turnNoted = true
    line.wait(() => {
      this.turnNoted = false
      // It was not the client that kept it waiting.
      this.lastProgress = performance.now()
      this.goOn()
    })
  }

  private flushQueue(ws: FullWebSocket<unknown>): void {
    let sent = 0
    for (const frame of this.queue) {
      if (ws.getBufferedAmount() >= this.limits.paceBytes || ws.send(frame, true) === 2) break
      this.queuedBytes -= frame.length
      sent++
    }
    if (sent > 0) this.queue = this.queue.slice(sent)
  }
}

const utf8 = new TextEncoder()
const utf8Decoder = new TextDecoder()

/** A close frame holds at most 123 bytes of reason. */
const closeReason = (reason: string): string => {
  const bytes = utf8.encode(reason)
  return bytes.length <= 123
    ? reason
    : `${utf8Decoder.decode(bytes.subarray(0, 117)).replace(/\uFFFD+$/, '')}...`
}
