/* The changes of a closed tab in one room, on their way: sent in order, under their own numbers, until each is settled. */
import {
  isRetryable,
  type ClientFrame,
  type ErrorFrame,
  type JoinedFrame,
  type NackFrame,
  type SessionLimits,
} from '@weft/protocol'
import { fullJitter } from '../backoff.js'
import type { Clock } from '../clock.js'
import type { Member, RoomFrame } from '../memberships.js'
import type { Change } from '../outbox.js'
import type { KeptChange } from '../persistence.js'
import { excessOf, frameOf } from '../sender.js'

/** Bounds of the delay before something refused is tried again, in milliseconds. */
const retryBase = 500
const retryMax = 15_000

/** How long changes wait when the socket is full, in milliseconds. */
const congestionPause = 20

/** Where what was kept of a room stands. */
export interface Position {
  readonly epoch: number
  readonly watermark: number
}

/** What a parcel needs of the courier that carries it. */
export interface ParcelHost {
  readonly clock: Clock
  readonly random: () => number
  readonly limits: SessionLimits
  readonly congested: boolean
  /** The room's number on the running connection; null while it is not joined. */
  readonly number: number | null
  send(frame: ClientFrame): void
  join(): void
  /** The server does not know of the membership. */
  forget(): void
  /** Everything up to `n` is committed. */
  settled(n: number): void
  /** A change was refused for good. */
  refused(change: Change, code: string, message: string): void
  /** Nothing is left, or nothing more can be done on this connection. */
  finished(): void
}

export class Parcel implements Member {
  readonly name: string
  private readonly host: ParcelHost
  private readonly position: Position | null
  private changes: readonly KeptChange[]
  /** Index of the first change that was not sent in this membership. */
  private cursor = 0
  private held = false
  private failures = 0
  private cancelRetry: (() => void) | null = null
  private cancelPause: (() => void) | null = null
  private over = false

  /** @param position what was kept of the room goes up to there; null when nothing was */
  constructor(name: string, changes: readonly KeptChange[], position: Position | null, host: ParcelHost) {
    this.name = name
    this.changes = changes
    this.position = position
    this.host = host
  }

  /** What the server holds is of no interest to a parcel: it asks for as little as it can, and hears nothing of it. */
  holding(): ReturnType<Member['holding']> {
    return { epoch: this.position?.epoch ?? null, after: this.position?.watermark ?? null, stateVector: null }
  }

  joined({ epoch }: JoinedFrame): void {
    // What was made in another life of the room means nothing in this one (P20). Whoever opens the room is told.
    if (this.changes.some((kept) => kept.epoch !== null && kept.epoch !== epoch)) this.end()
    else this.flush()
  }

  refused({ code, retryAfter }: ErrorFrame): void {
    if (isRetryable(code)) this.joinLater(retryAfter)
    else this.end()
  }

  frame(frame: Exclude<RoomFrame, JoinedFrame>): void {
    switch (frame.type) {
      case 'ack':
        this.acknowledge(frame.n)
        break
      case 'nack':
        this.nack(frame)
        break
      case 'left':
        this.rewind()
        if (frame.code === 'left' || isRetryable(frame.code)) this.joinLater(0)
        else this.end()
        break
      case 'sync':
      case 'updates':
      case 'presences':
      case 'event':
      case 'broadcasted':
      case 'watermark':
      case 'users':
      case 'access':
        break
    }
  }

  /** The connection is gone. Everything that is left is sent again on the next one (P21). */
  rewind(): void {
    this.cancelRetry?.()
    this.cancelRetry = null
    this.cancelPause?.()
    this.cancelPause = null
    this.cursor = 0
    this.held = false
  }

  /** Nothing more is sent, and the courier hears no more of it. */
  stop(): void {
    this.rewind()
    this.over = true
  }

  private end(): void {
    if (this.over) return
    this.stop()
    this.host.finished()
  }

  private flush(): void {
    while (!this.over && !this.held && this.cancelPause === null) {
      const room = this.host.number
      const kept = this.changes[this.cursor]
      if (room === null || kept === undefined) return
      if (this.host.congested) {
        this.cancelPause = this.host.clock.after(congestionPause, () => {
          this.cancelPause = null
          this.flush()
        })
        return
      }
      const excess = excessOf(kept.change, this.host.limits)
      if (excess !== null) this.reject(kept, 'too_large', excess)
      else {
        this.cursor++
        this.host.send(frameOf(room, kept.change))
      }
    }
  }

  private acknowledge(n: number): void {
    const left = this.changes.filter(({ change }) => change.n > n)
    this.remove(left)
    this.failures = 0
    this.host.settled(n)
    if (left.length === 0) this.end()
  }

  private nack({ n, code, message }: NackFrame): void {
    const index = this.changes.findIndex(({ change }) => change.n === n)
    const kept = this.changes[index]
    if (code === 'not_joined') {
      this.host.forget()
      this.rewind()
      this.joinLater(0)
    } else if (kept === undefined) return
    else if (!isRetryable(code)) {
      this.reject(kept, code, message)
    } else if (!this.held && code !== 'out_of_order') {
      this.cursor = Math.min(this.cursor, index)
      this.held = true
      this.later(0, () => {
        this.held = false
        this.flush()
      })
    }
  }

  private reject(kept: KeptChange, code: string, message: string): void {
    this.remove(this.changes.filter((other) => other !== kept))
    this.host.refused(kept.change, code, message)
    if (this.changes.length === 0) this.end()
  }

  private remove(left: readonly KeptChange[]): void {
    const sent = this.changes.slice(0, this.cursor)
    this.cursor = sent.filter((kept) => left.includes(kept)).length
    this.changes = left
  }

  private joinLater(retryAfter: number): void {
    this.later(retryAfter, () => this.host.join())
  }

  private later(least: number, action: () => void): void {
    this.cancelRetry?.()
    const delay = least + fullJitter(this.failures++, retryBase, retryMax, this.host.random)
    this.cancelRetry = this.host.clock.after(delay, () => {
      this.cancelRetry = null
      action()
    })
  }
}
