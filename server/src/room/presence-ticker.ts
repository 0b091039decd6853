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

/** Gathers presence changes of a room: one frame a tick, leading edge at once. */
export class PresenceTicker {
  private readonly table: PresenceTable
  private readonly output: RoomOutput
  private readonly observer: RoomObserver
  private readonly tell: (entries: readonly BusPresence[]) => void
  private timer: NodeJS.Timeout | null = null
  private last = -Infinity

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
    if (left) this.stop()
    else if (this.timer !== null) return
    const wait = this.last + (left ? leaveTickMs : tickMs(this.output.receivers)) - performance.now()
    if (wait <= 0) this.flush()
    else
      this.timer = setTimeout(
        guarded(this.observer, 'a presence frame', () => this.flush()),
        wait,
      )
  }

  /** The room closes: its members have left, which other nodes have to hear. */
  dispose(): void {
    this.stop()
    this.tell(this.table.takeTold())
  }

  private stop(): void {
    if (this.timer !== null) clearTimeout(this.timer)
    this.timer = null
  }

  private flush(): void {
    this.stop()
    this.last = performance.now()
    this.tell(this.table.takeTold())
    const users = this.table.takeUsers()
    const update = this.table.takeChanges()
    if (update !== null) this.output.presence(update, users)
  }
}
