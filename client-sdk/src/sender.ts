/* The way of a room's local changes: into the outbox, onto the wire, settled by ACK or NACK. */
import {
  appendFrame,
  isRetryable,
  seedFrame,
  updateFrame,
  type ClientWire,
  type SessionLimits,
} from '@weft/protocol'
import { WeftError, tooLarge } from './errors.js'
import { createOutbox, type Change, type Outbox } from './outbox.js'
import type { RoomContext } from './room-context.js'
import { createTimer, retryDelay } from './timer.js'
import { createWaiters } from './waiters.js'

/** How long changes wait when the socket is full, in milliseconds. */
const congestionPause = 20

/** Room for the frame around an update, in bytes. */
const frameOverhead = 64

/** What a sender needs of its room. */
export interface SenderRoom extends Pick<RoomContext, 'number' | 'held' | 'store' | 'counted' | 'settled'> {
  readonly client: Pick<RoomContext['client'], 'clock' | 'random' | 'limits'> & {
    readonly link: Pick<RoomContext['client']['link'], 'congested' | 'send'>
  }
}

/** What becomes of changes. */
export interface SenderHost {
  /**
   * A change is committed.
   * @param seq as what; null when the ACK stood for several and this is not the last, which is `ackedAs`
   */
  committed(change: Change, seq: number | null, ackedAs: number): void
  /** Change `n` was refused for good. It is in the outbox still. */
  refused(n: number, error: WeftError): void
}

/** Sends what is in the outbox, in order. */
export interface Sender {
  readonly outbox: Omit<Outbox, 'add' | 'addFixed' | 'clearFrom'>
  /**
   * Takes a local change. It leaves at the end of this microtask, together with those that follow it until then.
   * @returns its number
   */
  add(update: Uint8Array, solo?: boolean): number
  addFixed(make: (n: number) => Change): number
  /** Sends what may be sent. */
  flush(): void
  /** Everything up to `n` is committed, `n` itself as `seq` (P22). */
  acknowledge(n: number, seq: number): void
  /** Takes a NACK, except `not_joined`, which is no decision about the change. */
  refused(n: number, code: string, message: string): void
  /** The membership is over: everything that is left is sent again in the next one (P21). */
  rewind(): void
  /** Resolves when everything up to now is settled. */
  saved(): Promise<void>
  /** Tells those who wait that it is in vain. What is pending stays. */
  fail(error: WeftError): void
  /** Takes a change out. @param error what those are told who wait for it; none: that it is settled */
  remove(n: number, error?: WeftError): Change | undefined
  /** Changes were taken out: tells it to who waits. */
  settle(): void
  /** Gives up everything from `n` on, and returns it. Who waits for one of them is told `error`. */
  clearFrom(n: number, error: WeftError): Change[]
}

/** @param first the number of the first change */
export const createSender = (first: number, room: SenderRoom, { committed, refused }: SenderHost): Sender => {
  const { client } = room
  const { link } = client
  const outbox = createOutbox(first)
  const waiters = createWaiters()
  const retry = createTimer(client.clock)
  const pause = createTimer(client.clock)
  let scheduled = false
  let failures = 0

  const flush = (): void => {
    if (!client.limits || pause.running) return
    while (!link.congested) {
      // Asked each time: a listener that hears of a rejection may leave the room.
      const { number, held } = room
      const change = number === null || held ? undefined : outbox.take()
      if (number === null || !change) return
      const excess = excessOf(change, client.limits)
      if (excess) refused(change.n, new WeftError('too_large', excess))
      else link.send(frameOf(number, change))
    }
    pause.start(congestionPause, flush)
  }

  const added = (n: number): number => {
    room.store?.changed(n)
    room.counted()
    if (!scheduled)
      queueMicrotask(() => {
        scheduled = false
        flush()
      })
    scheduled = true
    return n
  }

  const settle = (): void => {
    waiters.settle(outbox.firstNumber)
    room.counted()
    room.settled()
  }

  const rewind = (): void => {
    retry.stop()
    pause.stop()
    outbox.rewind()
  }

  return {
    outbox,
    add: (update, solo) => added(outbox.add(update, solo)),
    addFixed: (make) => added(outbox.addFixed(make)),
    flush,
    acknowledge: (n, seq) => {
      const settled = outbox.acknowledge(n)
      if (settled.length === 0) return
      failures = 0
      room.store?.settled(outbox.firstNumber - 1)
      for (const change of settled) committed(change, change.n === n ? seq : null, seq)
      settle()
    },
    refused: (n, code, message) => {
      if (!isRetryable(code)) refused(n, new WeftError(code, message))
      // What follows n is refused as out of order until n comes again (P23): one wait serves them all. Without a wait such
      // a refusal is an old one, which crossed the change that is being sent again.
      else if (!outbox.isHeld && code !== 'out_of_order') {
        outbox.holdFrom(n)
        retry.start(retryDelay(failures++, client.random), () => {
          outbox.release()
          flush()
        })
      }
    },
    rewind,
    saved: () => (outbox.unsaved === 0 ? Promise.resolve() : waiters.wait(outbox.nextNumber - 1)),
    fail: waiters.fail,
    remove: (n, error) => {
      const change = outbox.refuse(n)
      if (change) room.store?.dropped(n)
      if (change && error) waiters.refused(n, error)
      return change
    },
    settle,
    clearFrom: (n, error) => {
      rewind()
      const lost = outbox.clearFrom(n)
      for (const change of lost) {
        room.store?.dropped(change.n)
        waiters.refused(change.n, error)
      }
      if (lost.length > 0) settle()
      return lost
    },
  }
}

/** Says that a change is too large; null when it is not. Sent, it could cost the connection (P5), again and again. */
export const excessOf = (change: Change, limits: SessionLimits): string | null => {
  const isEvent = change.kind === 'event'
  const limit = isEvent ? limits.eventBytes : limits.updateBytes
  const bytes = isEvent ? change.payload : change.update
  return tooLarge(change.kind, bytes, Math.min(limit, limits.frameBytes - frameOverhead))
}

/** The frame that sends a change. */
export const frameOf = (room: number, change: Change): ClientWire => {
  const { n } = change
  if (change.kind === 'event') return [appendFrame, room, n, change.name, change.payload]
  return [change.kind === 'seed' ? seedFrame : updateFrame, room, n, change.update]
}
