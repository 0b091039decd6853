/* The way of a room's local changes: into the outbox, onto the wire, settled by ACK or NACK. */
import { isRetryable, type ClientFrame, type NackFrame, type SessionLimits } from '@weft/protocol'
import { fullJitter } from './backoff.js'
import type { Clock } from './clock.js'
import { WeftError } from './errors.js'
import { Outbox } from './outbox.js'
import type { Rejection } from './types.js'
import { Waiters } from './waiters.js'

/** Bounds of the delay before a refused change is sent again, in milliseconds. */
const retryBase = 500
const retryMax = 15_000

/** How long changes wait when the socket is full, in milliseconds. */
const congestionPause = 20

/** Room for the frame around an update, in bytes. */
const frameOverhead = 64

/** What a sender needs of its room. */
export interface SenderHost {
  readonly clock: Clock
  readonly random: () => number
  readonly limits: SessionLimits | null
  /** Whether the socket has enough to do. */
  readonly congested: boolean
  /** The room's number on the running connection; null while it is not joined. */
  readonly number: number | null
  send(frame: ClientFrame): void
  /** The number of unsaved edits has changed. */
  counted(unsaved: number): void
  rejected(rejection: Rejection): void
  /** Changes were settled; none may be left. */
  settled(): void
}

export class Sender {
  private readonly host: SenderHost
  private readonly outbox: Outbox
  private readonly waiters = new Waiters()
  private scheduled = false
  private failures = 0
  private cancelRetry: (() => void) | null = null
  private cancelPause: (() => void) | null = null

  /** @param first the number of the first change */
  constructor(first: number, host: SenderHost) {
    this.outbox = new Outbox(first)
    this.host = host
  }

  get unsaved(): number {
    return this.outbox.unsaved
  }

  get nextNumber(): number {
    return this.outbox.nextNumber
  }

  /** The updates that are not settled, oldest first. */
  get pending(): Uint8Array[] {
    return this.outbox.pending().map((change) => change.update)
  }

  /** Takes a local change. It leaves at the end of this microtask, together with those that follow it until then. */
  add(update: Uint8Array, solo = false): void {
    this.outbox.add(update, solo)
    this.host.counted(this.outbox.unsaved)
    if (this.scheduled) return
    this.scheduled = true
    queueMicrotask(() => {
      this.scheduled = false
      this.flush()
    })
  }

  /** Sends what may be sent. */
  flush(): void {
    const { limits } = this.host
    if (limits === null || this.cancelPause !== null) return
    const limit = Math.min(limits.updateBytes, limits.frameBytes - frameOverhead)
    while (!this.host.congested) {
      // Asked each time: a listener that hears of a rejection may leave the room.
      const room = this.host.number
      const change = room === null ? undefined : this.outbox.take()
      if (room === null || change === undefined) return
      if (change.update.length <= limit) {
        this.host.send({ type: 'update', room, n: change.n, update: change.update })
      } else {
        // Sent, it could cost the connection (P5), again and again.
        this.reject(
          change.n,
          'too_large',
          `the change has ${change.update.length} bytes and may have ${limit}`,
        )
      }
    }
    this.cancelPause = this.host.clock.after(congestionPause, () => {
      this.cancelPause = null
      this.flush()
    })
  }

  /** Everything up to `n` is committed (P22). */
  acknowledge(n: number): void {
    if (!this.outbox.acknowledge(n)) return
    this.failures = 0
    this.settle()
  }

  /** Takes a NACK, except `not_joined`, which is no decision about the change. */
  refused({ n, code, message }: NackFrame): void {
    if (!isRetryable(code)) {
      this.reject(n, code, message)
      return
    }
    // What follows n is refused as out of order until n comes again (P23): one wait serves them all. Without a wait such a
    // refusal is an old one, which crossed the change that is being sent again.
    if (this.outbox.isHeld || code === 'out_of_order') return
    this.outbox.holdFrom(n)
    const delay = fullJitter(this.failures++, retryBase, retryMax, this.host.random)
    this.cancelRetry = this.host.clock.after(delay, () => {
      this.cancelRetry = null
      this.outbox.release()
      this.flush()
    })
  }

  /** The membership is over: everything that is left is sent again in the next one (P21). */
  rewind(): void {
    this.cancelRetry?.()
    this.cancelRetry = null
    this.cancelPause?.()
    this.cancelPause = null
    this.outbox.rewind()
  }

  /** Resolves when everything up to now is settled. */
  saved(): Promise<void> {
    return this.outbox.unsaved === 0 ? Promise.resolve() : this.waiters.wait(this.outbox.lastNumber)
  }

  /** Tells those who wait that it is in vain. What is pending stays. */
  fail(error: WeftError): void {
    this.waiters.fail(error)
  }

  /** Gives up everything that is pending, and returns it. */
  clear(): Uint8Array[] {
    this.rewind()
    return this.outbox.clear().map((change) => change.update)
  }

  private reject(n: number, code: string, message: string): void {
    const change = this.outbox.refuse(n)
    if (change === undefined) return
    this.waiters.refused(n, new WeftError(code, message))
    this.host.rejected({ n, code, message, update: change.update })
    this.settle()
  }

  private settle(): void {
    this.waiters.settle(this.outbox.firstNumber)
    this.host.counted(this.outbox.unsaved)
    this.host.settled()
  }
}
