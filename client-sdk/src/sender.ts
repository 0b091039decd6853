/* The way of a room's local changes: into the outbox, onto the wire, settled by ACK or NACK. */
import { isRetryable, type ClientFrame, type NackFrame, type SessionLimits } from '@weft/protocol'
import { fullJitter } from './backoff.js'
import type { Clock } from './clock.js'
import { WeftError } from './errors.js'
import { Outbox, type Change } from './outbox.js'
import type { RoomStore } from './persistence.js'
import type { Wire } from './room-wire.js'
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
  /** The number of unsaved edits has changed. */
  counted(unsaved: number): void
  /**
   * A change is committed.
   * @param seq as what; null when the ACK stood for several and this is not the last, which is `ackedAs`
   */
  committed(change: Change, seq: number | null, ackedAs: number): void
  /** A change was refused for good. It has left the outbox. */
  refused(change: Change, error: WeftError): void
  /** Changes were settled; none may be left. */
  settled(): void
  /** Where changes are kept until they are settled, if anywhere. */
  readonly store: RoomStore | null
}

export class Sender {
  private readonly wire: Wire
  private readonly host: SenderHost
  private readonly outbox: Outbox
  private readonly waiters = new Waiters()
  private scheduled = false
  private failures = 0
  private cancelRetry: (() => void) | null = null
  private cancelPause: (() => void) | null = null

  /** @param first the number of the first change */
  constructor(first: number, wire: Wire, host: SenderHost) {
    this.outbox = new Outbox(first)
    this.wire = wire
    this.host = host
  }

  get unsaved(): number {
    return this.outbox.unsaved
  }

  get nextNumber(): number {
    return this.outbox.nextNumber
  }

  /** A change that is not settled, as it is now. */
  change(n: number): Change | undefined {
    return this.outbox.find(n)
  }

  /** The updates of the document that are not settled, oldest first. */
  get pending(): Uint8Array[] {
    return this.outbox.pending().flatMap((change) => (change.kind === 'update' ? [change.update] : []))
  }

  /**
   * Takes a local change. It leaves at the end of this microtask, together with those that follow it until then.
   * @returns its number
   */
  add(update: Uint8Array, solo = false): number {
    return this.added(this.outbox.add(update, solo))
  }

  addEvent(name: string, payload: Uint8Array): number {
    return this.added(this.outbox.addEvent(name, payload))
  }

  addSeed(update: Uint8Array): number {
    return this.added(this.outbox.addSeed(update))
  }

  /** Sends what may be sent. */
  flush(): void {
    const { limits } = this.wire
    if (limits === null || this.cancelPause !== null) return
    while (!this.wire.congested) {
      // Asked each time: a listener that hears of a rejection may leave the room.
      const room = this.wire.held ? null : this.wire.number
      const change = room === null ? undefined : this.outbox.take()
      if (room === null || change === undefined) return
      const excess = excessOf(change, limits)
      if (excess === null) this.wire.send(frameOf(room, change))
      else this.reject(change.n, 'too_large', excess)
    }
    this.cancelPause = this.host.clock.after(congestionPause, () => {
      this.cancelPause = null
      this.flush()
    })
  }

  /** Everything up to `n` is committed, `n` itself as `seq` (P22). */
  acknowledge(n: number, seq: number): void {
    const settled = this.outbox.acknowledge(n)
    if (settled.length === 0) return
    this.failures = 0
    this.host.store?.settled(this.outbox.settledTo)
    for (const change of settled) this.host.committed(change, change.n === n ? seq : null, seq)
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

  /** Gives up everything from `n` on, and returns it. Who waits for one of them is told `error`. */
  clearFrom(n: number, error: WeftError): Change[] {
    this.rewind()
    const lost = this.outbox.clearFrom(n)
    if (lost.length === 0) return lost
    for (const change of lost) {
      this.host.store?.dropped(change.n)
      this.waiters.refused(change.n, error)
    }
    this.settle()
    return lost
  }

  private added(n: number): number {
    this.host.store?.changed(n)
    this.host.counted(this.outbox.unsaved)
    if (this.scheduled) return n
    this.scheduled = true
    queueMicrotask(() => {
      this.scheduled = false
      this.flush()
    })
    return n
  }

  private reject(n: number, code: string, message: string): void {
    const change = this.outbox.refuse(n)
    if (change === undefined) return
    this.host.store?.dropped(n)
    const error = new WeftError(code, message)
    // A seed that comes too late has been answered, not refused.
    if (code !== 'not_empty') this.waiters.refused(n, error)
    this.host.refused(change, error)
    this.settle()
  }

  private settle(): void {
    this.waiters.settle(this.outbox.firstNumber)
    this.host.counted(this.outbox.unsaved)
    this.host.settled()
  }
}

/** Says that a change is too large; null when it is not. Sent, it could cost the connection (P5), again and again. */
export const excessOf = (change: Change, limits: SessionLimits): string | null => {
  const { length } = change.kind === 'event' ? change.payload : change.update
  const limit = Math.min(
    change.kind === 'event' ? limits.eventBytes : limits.updateBytes,
    limits.frameBytes - frameOverhead,
  )
  return length <= limit ? null : `the ${change.kind} has ${length} bytes and may have ${limit}`
}

/** The frame that sends a change. */
export const frameOf = (room: number, change: Change): ClientFrame => {
  const { n } = change
  switch (change.kind) {
    case 'update':
      return { type: 'update', room, n, update: change.update }
    case 'event':
      return { type: 'append', room, n, name: change.name, payload: change.payload }
    case 'seed':
      return { type: 'seed', room, n, update: change.update }
  }
}
