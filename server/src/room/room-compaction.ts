import type { DocTasks } from '../compaction/index.js'
import type { RoomId } from '../ids.js'
import type { RoomContent } from './content.js'
import type { RoomObserver } from './types.js'

/** A compaction that failed is not tried again for so many milliseconds. */
const retryMs = 30_000

/** Knows when a room's tail is due to be merged into a new snapshot, and has it done: one at a time. */
export class RoomCompaction {
  private readonly room: { readonly id: RoomId; readonly epoch: number }
  private readonly content: RoomContent
  private readonly workers: DocTasks
  private readonly observer: RoomObserver
  private readonly minBytes: number
  /** Payload bytes committed since the newest snapshot. */
  private tailBytes: number
  private running: Promise<void> | null = null
  /** `performance.now()` before which it is not tried again. */
  private notBefore = 0
  private measuredAt = -Infinity

  /** @param minBytes the tail is compacted past max(this, base / 4) bytes */
  constructor(
    room: RoomCompaction['room'],
    content: RoomContent,
    workers: DocTasks,
    observer: RoomObserver,
    minBytes: number,
    tailBytes: number,
  ) {
    this.room = room
    this.content = content
    this.workers = workers
    this.observer = observer
    this.minBytes = minBytes
    this.tailBytes = tailBytes
  }

  /** The tail has grown. */
  grew(bytes: number): void {
    this.tailBytes += bytes
  }

  /** The tail is compacted past so many bytes. */
  get dueBytes(): number {
    return Math.max(this.minBytes, this.content.baseBytes / 4)
  }

  /** Milliseconds since a compaction told how large the document is. */
  get age(): number {
    return performance.now() - this.measuredAt
  }

  /** Finds out how large the document is, in the background. */
  measure(): void {
    if (performance.now() < this.notBefore) return
    this.runInBackground()
  }

  /** Compacts in the background when the tail has grown past its limit. */
  runIfDue(): void {
    if (this.tailBytes > this.dueBytes) this.measure()
  }

  private runInBackground(): void {
    void this.run().catch((error: unknown) => {
      this.notBefore = performance.now() + retryMs
      this.observer.fault('compaction failed', error)
    })
  }

  /** Writes a snapshot of what is committed, and lets go of the tail before it. */
  async run(): Promise<void> {
    this.running ??= this.runNow().finally(() => (this.running = null))
    await this.running
  }

  private async runNow(): Promise<void> {
    const started = performance.now()
    const { tailBytes } = this
    const result = await this.workers.compact({ roomId: this.room.id, epoch: this.room.epoch })
    // What was committed while it ran counts towards the next one.
    this.tailBytes -= tailBytes
    this.measuredAt = performance.now()
    if (result === null) return
    this.observer.compacted((performance.now() - started) / 1000, result.state.length)
    this.content.rebase(result.state, result.seq)
  }
}
