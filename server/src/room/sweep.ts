import type { Bus } from '../bus/index.js'
import type { RoomId } from '../ids.js'
import type { Store, Swept } from '../store/types.js'
import { leaseOf } from './node-rows.js'
import type { NodeWatch } from './node-watch.js'
import type { Room } from './room.js'

/** Rows of nodes that have been dead for so long, in milliseconds, are removed. */
const removeDeadAfterMs = 10 * 60_000

export interface SweepOptions {
  readonly rooms: Iterable<Room>
  readonly store: Pick<Store, 'heads' | 'sweep' | 'removeNode' | 'removeDeadNodes'>
  readonly bus: Pick<Bus, 'node' | 'isAlone' | 'isHealthy' | 'onHealth'>
  /** Is told of the other nodes' rows. */
  readonly nodes: Pick<NodeWatch, 'rowsRead' | 'rowsUnread'>
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
 * With others on the bus, the same query renews this node's row and reads theirs: see `NodeRows`.
 */
export class Sweep {
  private readonly options: SweepOptions
  private timer: NodeJS.Timeout | null = null
  private due = Infinity
  private running: Promise<void> | null = null
  private hasRow = false
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

  /**
   * Sweeps no more, and removes this node's row: its connections are gone.
   * @throws {StoreError} the row is still there, and the other nodes see it run out
   */
  async dispose(): Promise<void> {
    this.disposed = true
    this.stopHealth()
    if (this.timer !== null) clearTimeout(this.timer)
    // What is under way would write the row again.
    await this.running
    if (this.hasRow) await this.options.store.removeNode(this.options.bus.node)
    this.hasRow = false
  }

  private get interval(): number {
    return this.options.bus.isHealthy ? this.options.interval : this.options.intervalAway
  }

  private within(milliseconds: number): void {
    const due = performance.now() + milliseconds
    if (this.disposed || due >= this.due) return
    this.due = due
    if (this.running !== null) return
    if (this.timer !== null) clearTimeout(this.timer)
    this.timer = setTimeout(() => {
      this.running = this.run()
    }, milliseconds)
  }

  private async run(): Promise<void> {
    this.timer = null
    this.due = Infinity
    try {
      await this.sweep()
      this.failing = false
    } catch (error) {
      // The database is away: the journal says so, and once is enough here.
      if (!this.failing) this.options.failed(error)
      this.failing = true
      this.options.nodes.rowsUnread()
    }
    this.running = null
    const due = Math.min(this.due, performance.now() + this.interval)
    this.due = Infinity
    this.within(Math.max(0, due - performance.now()))
  }

  private async sweep(): Promise<void> {
    const open = new Map<RoomId, Room>()
    for (const room of this.options.rooms) if (!room.isEnded) open.set(room.id, room)
    const { bus, store, swept } = this.options
    const ids = [...open.keys()]
    if (ids.length === 0 && bus.isAlone) return
    const started = performance.now()
    const found = bus.isAlone ? null : await this.sweepWithNodes(ids)
    const heads = found?.heads ?? (await store.heads(ids))
    for (const [id, room] of open) room.swept(heads.get(id) ?? null)
    swept(open.size, (performance.now() - started) / 1000)
    if (found !== null) await this.removeDead(found)
  }

  private async sweepWithNodes(ids: readonly RoomId[]): Promise<Swept> {
    const { store, bus, nodes } = this.options
    // Also when it fails: what was sent may have arrived.
    this.hasRow = true
    const found = await store.sweep(bus.node, leaseOf(this.interval), ids)
    nodes.rowsRead(found, this.interval)
    return found
  }

  private async removeDead({ now, aliveUntil }: Swept): Promise<void> {
    const isLongDead = (until: number): boolean => until < now - removeDeadAfterMs
    if ([...aliveUntil.values()].some(isLongDead)) await this.options.store.removeDeadNodes(removeDeadAfterMs)
  }
}
