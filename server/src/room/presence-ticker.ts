import type { BusPresence } from '../bus/index.js'
import { guarded } from './guard.js'
import type { PresenceTable } from './presence.js'
import type { RoomObserver, RoomOutput } from './types.js'

/**
 * Milliseconds between presence frames of a room: the first change goes at once, what follows is gathered. Large rooms
 * get longer ticks, since every frame goes to everybody and everybody is in it.
 */
const tickMs = (receivers: number): number => (receivers <= 50 ? 40 : receivers <= 200 ? 80 : 160)

/** People who leave are gone at once; but when hundreds leave together, this gathers them. */
const leaveTickMs = 5

/**
 * Bytes of a frame, times its receivers, that hold the event loop for some milliseconds: what does not fit goes in further
 * frames, spread over the tick.
 */
const partBytes = 8 * 1024 * 1024
/** A frame below this size is hardly cheaper. */
const minFrameBytes = 16 * 1024
/** Milliseconds that a frame takes for each receiver, and for each byte to each of them. */
const deliveryMs = 0.008
const byteMs = 4e-7
/** Timers fire a little early now and then. */
const timerSlackMs = 2
/** Presence leaves the event loop to others for so many times as long as its last frame took. */
const restFactor = 3

/** Gathers presence changes of a room: a frame a tick, leading edge at once, or several where it would be too large. */
export class PresenceTicker {
  private readonly table: PresenceTable
  private readonly output: RoomOutput
  private readonly observer: RoomObserver
  private readonly tell: (entries: readonly BusPresence[]) => void
  private timer: NodeJS.Timeout | null = null
  private last = -Infinity
  /** When the next frame may go. */
  private next = -Infinity
  private nextTold = -Infinity

  /** @param tell hands what other nodes are to hear of to the bus */
  constructor(
    table: PresenceTable,
    output: RoomOutput,
    observer: RoomObserver,
    tell: (entries: readonly BusPresence[]) => void,
  ) {
    this.table = table
    this.output = output
    this.observer = observer
    this.tell = tell
  }

  /** The table may have changed. @param left whether somebody left, which is told at once */
  changed(left: boolean): void {
    if (!this.table.hasChanges) return
    if (left) this.schedule(this.last + leaveTickMs, true)
    else if (this.timer === null) this.schedule(this.next, false)
  }

  /** The room closes: its members have left, which other nodes have to hear. */
  dispose(): void {
    this.stop()
    this.tell(this.table.takeTold())
  }

  private schedule(at: number, left: boolean): void {
    this.stop()
    const wait = at - performance.now()
    if (wait <= 0) this.flush(left)
    else
      this.timer = setTimeout(
        guarded(this.observer, 'a presence frame', () => this.flush(left)),
        wait,
      )
  }

  private stop(): void {
    if (this.timer !== null) clearTimeout(this.timer)
    this.timer = null
  }

  /** @param left leaves go at once; states wait for their time */
  private flush(left: boolean): void {
    this.stop()
    const { table } = this
    const { receivers } = this.output
    const now = performance.now()
    const tick = tickMs(receivers)
    const isDue = now >= this.next - timerSlackMs
    this.last = now
    if (left || now >= this.nextTold - timerSlackMs) {
      this.nextTold = now + tick
      this.tell(table.takeTold())
    }
    const { changes } = table
    const taken = table.takeChanges(isDue ? Math.max(minFrameBytes, partBytes / receivers) : 0)
    if (taken !== null) {
      const { update, users } = taken
      if (isDue) {
        const took = receivers * (deliveryMs + update.length * byteMs)
        const part = (changes - table.changes) / changes
        this.next = now + Math.max(tick * part, took * restFactor)
      }
      this.output.presence(update, users)
    }
    if (table.changes > 0) this.schedule(this.next, false)
    else if (table.hasChanges) this.schedule(this.nextTold, false)
  }
}
