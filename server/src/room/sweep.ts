import type { Bus } from '../bus/index.js'
import type { RoomId } from '../ids.js'
import type { Store } from '../store/types.js'
import type { Room } from './room.js'

export interface SweepOptions {
  readonly rooms: Iterable<Room>
  readonly store: Pick<Store, 'heads'>
  readonly bus: Pick<Bus, 'isHealthy' | 'onHealth'>
  /** Milliseconds between two sweeps, */
  readonly interval: number
  /** while the bus carries nothing, */
  readonly intervalAway: number
  /** and from the opening of a room to the sweep that looks after what was committed meanwhile. */
  readonly afterOpening: number
  /** A sweep has failed, and the one before it had not: it is tried again and again. */
  failed(error: unknown): void
  /** A sweep is done: how many rooms it asked for, and how long it took, in seconds. */
  swept(rooms: number, seconds: number): void
}

/**
 * Asks the store now and then how far the log of every open room reaches: one query. What no message of another node told,
 * since the bus lost it or carries nothing at all, is found and read (I4). So is that a room has been deleted.
 */
export class Sweep {
  private readonly options: SweepOptions
  private timer: NodeJS.Timeout | null = null
  private due = Infinity
  private running = false
  private failing = false
  private disposed = false
  private readonly stopHealth: () => void

  constructor(options: SweepOptions) {
    this.options = options
    // Messages of before the bus broke, or of while it was broken, are found at once, not at the next turn.
    this.stopHealth = options.bus.onHealth(() => this.within(0))
    this.within(this.interval)
  }

  /** A room has been opened: between the reading of its log and the first message somebody may have committed. */
  opened(): void {
    this.within(this.options.afterOpening)
  }

  dispose(): void {
    this.disposed = true
    this.stopHealth()
    if (this.timer !== null) clearTimeout(this.timer)
  }

  private get interval(): number {
    return this.options.bus.isHealthy ? this.options.interval : this.options.intervalAway
  }

  private within(milliseconds: number): void {
    const due = performance.now() + milliseconds
    if (this.disposed || due >= this.due) return
    this.due = due
    if (this.running) return
    if (this.timer !== null) clearTimeout(this.timer)
    this.timer = setTimeout(() => void this.run(), milliseconds)
  }

  private async run(): Promise<void> {
    this.timer = null
    this.running = true
    this.due = Infinity
    try {
      await this.sweep()
      this.failing = false
    } catch (error) {
      // Mostly the database is away: the journal says so, and once is enough here.
      if (!this.failing) this.options.failed(error)
      this.failing = true
    }
    this.running = false
    const due = Math.min(this.due, performance.now() + this.interval)
    this.due = Infinity
    this.within(Math.max(0, due - performance.now()))
  }

  private async sweep(): Promise<void> {
    const open = new Map<RoomId, Room>()
    for (const room of this.options.rooms) if (!room.isEnded) open.set(room.id, room)
    if (open.size === 0) return
    const started = performance.now()
    const heads = await this.options.store.heads([...open.keys()])
    const faults: unknown[] = []
    for (const [id, room] of open) {
      try {
        room.swept(heads.get(id) ?? null)
      } catch (error) {
        // The rooms after it are swept all the same (I7).
        faults.push(error)
      }
    }
    this.options.swept(open.size, (performance.now() - started) / 1000)
    if (faults.length > 0) throw new AggregateError(faults, `the sweep of ${faults.length} rooms failed`)
  }
}
