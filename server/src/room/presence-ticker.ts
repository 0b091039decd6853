import type { AwarenessEntry } from '@weft/protocol'
import type { PresenceOwner, PresenceTable } from './presence.js'
import { guarded } from './guard.js'
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
  private timer: NodeJS.Timeout | null = null
  private last = -Infinity

  constructor(table: PresenceTable, output: RoomOutput, observer: RoomObserver) {
    this.observer = observer
    this.table = table
    this.output = output
  }

  get size(): number {
    return this.table.size
  }

  apply(owner: PresenceOwner, entries: readonly AwarenessEntry[], first: boolean): void {
    const { left } = this.table.apply(owner, entries, first, performance.now())
    this.schedule(left)
  }

  drop(owner: PresenceOwner): void {
    if (this.table.drop(owner, performance.now())) this.schedule(true)
  }

  snapshot(): Uint8Array | null {
    return this.table.snapshot()
  }

  dispose(): void {
    if (this.timer !== null) clearTimeout(this.timer)
    this.timer = null
  }

  private schedule(left: boolean): void {
    if (!this.table.hasChanges) return
    if (left) this.dispose()
    else if (this.timer !== null) return
    const wait = this.last + (left ? leaveTickMs : tickMs(this.output.receivers)) - performance.now()
    if (wait <= 0) this.flush()
    else
      this.timer = setTimeout(
        guarded(this.observer, 'a presence frame', () => this.flush()),
        wait,
      )
  }

  private flush(): void {
    this.dispose()
    const update = this.table.takeChanges()
    if (update === null) return
    this.last = performance.now()
    this.output.presence(update)
  }
}
