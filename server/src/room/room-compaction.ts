import { DocWorkerError, type CompactedRoom, type DocTasks } from '../compaction/index.js'
import type { RoomId } from '../ids.js'
import type { RoomContent } from './content.js'
import { eventOverhead } from './packed-event.js'
import type { RoomQuarantine } from './room-quarantine.js'
import type { RoomObserver } from './types.js'

/**
 * Bytes of a document from which a compaction takes a second of a core and hundreds of megabytes. For one below, it is over before
 * those who open the room are all in, and helps them.
 */
const slowBytes = 4 * 1024 * 1024
/** Milliseconds in which those who open a large document have the machine: after a restart all come at once. */
const settleMs = 3_000

/** A compaction that failed is not tried again for so many milliseconds. */
const retryMs = 30_000

/**
 * Shared types made since the newest snapshot, past which it is time for another one. Deleted ones that are nested some
 * thousand deep overflow the stack of whoever loads them; a snapshot has them collected.
 */
const maxTypes = 1_000

/** Knows when a room's tail is due to be merged into a new snapshot, and has it done: one at a time. */
export class RoomCompaction {
  private readonly room: {
    readonly id: RoomId
    readonly epoch: number
    readonly tenant: string
    readonly name: string
  }
  private readonly content: RoomContent
  private readonly workers: DocTasks
  private readonly observer: RoomObserver
  private readonly quarantine: RoomQuarantine
  private readonly minBytes: number
  /** Shared types made here since the newest snapshot. */
  private types = 0
  /**
   * Committed since the newest snapshot: payloads, and {@link eventOverhead} for each event. By payloads alone a room held
   * 7,000 keystrokes.
   */
  private tailBytes = 0
  private running: Promise<void> | null = null
  /** `performance.now()` before which it is not tried again. */
  private notBefore = 0
  private measuredAt = -Infinity
  private afterOpening: NodeJS.Timeout | null = null

  /**
   * @param minBytes the tail is compacted past max(this, base / 4) bytes
   * @param tail what is committed after the newest snapshot
   */
  constructor(
    room: RoomCompaction['room'],
    content: RoomContent,
    workers: DocTasks,
    observer: RoomObserver,
    quarantine: RoomQuarantine,
    minBytes: number,
    tail: { readonly bytes: number; readonly length: number },
  ) {
    this.room = room
    this.content = content
    this.workers = workers
    this.observer = observer
    this.quarantine = quarantine
    this.minBytes = minBytes
    this.grew(tail.bytes, tail.length)
  }

  /**
   * The room has been opened. A tail that is due by then is what a server that was killed leaves: it costs every joiner. The
   * compaction of a large document would cost those more who wait to be let in.
   */
  opened(): void {
    if (!this.isDue) return
    if (this.content.baseBytes + this.tailBytes < slowBytes) {
      this.measure()
      return
    }
    this.notBefore = performance.now() + settleMs
    this.afterOpening = setTimeout(() => {
      this.notBefore = 0
      this.runIfDue()
    }, settleMs)
  }

  /** The room closes. */
  dispose(): void {
    if (this.afterOpening !== null) clearTimeout(this.afterOpening)
  }

  /** The tail has grown, by so many events of so many payload bytes. */
  grew(bytes: number, events: number): void {
    this.tailBytes += bytes + events * eventOverhead
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

  /** A change that makes so many shared types was taken in. */
  made(types: number): void {
    this.types += types
  }

  private get isDue(): boolean {
    return this.tailBytes > this.dueBytes || this.types > maxTypes
  }

  /** Compacts in the background when the tail has grown past its limit. */
  runIfDue(): void {
    if (this.isDue) this.measure()
  }

  private runInBackground(): void {
    void this.run().catch((error: unknown) => {
      this.notBefore = performance.now() + retryMs
      this.observer.fault('compaction failed', error)
    })
  }

  /** Writes a snapshot of what is committed, and lets go of the tail before it. Not of a room in quarantine. */
  async run(): Promise<void> {
    if (this.quarantine.holds(this.room.id, 'compact')) return
    this.running ??= this.runNow().finally(() => (this.running = null))
    await this.running
  }

  private async runNow(): Promise<void> {
    const started = performance.now()
    const { tailBytes, types } = this
    const result = await this.compact()
    // What was committed while it ran counts towards the next one.
    this.tailBytes -= tailBytes
    this.measuredAt = performance.now()
    this.types -= types
    if (result === null) return
    this.observer.compacted((performance.now() - started) / 1000, result.state.length)
    this.content.rebase(result.state, result.seq)
  }

  /**
   * Through a document, which collects garbage. What costs it too much (a hostile room makes integration quadratic) is merged
   * without one: the tail must not grow for ever, and joins must not get slower.
   */
  private async compact(): Promise<CompactedRoom | null> {
    const { room, quarantine } = this
    const { id: roomId, epoch } = room
    try {
      const result = await this.compactOnce(roomId, epoch)
      quarantine.succeeded(roomId, 'compact')
      return result
    } catch (error) {
      quarantine.failed(room, 'compact', error)
      throw error
    }
  }

  private async compactOnce(roomId: RoomId, epoch: number): Promise<CompactedRoom | null> {
    if (!this.quarantine.isPlain(roomId)) {
      try {
        return await this.workers.compact({ roomId, epoch })
      } catch (error) {
        if (!(error instanceof DocWorkerError && error.isOfItsOwn)) throw error
        this.observer.fault(`room ${roomId} is too much for a document: it is compacted without one`, error)
        this.quarantine.makePlain(roomId)
      }
    }
    return await this.workers.compact({ roomId, epoch, plain: true })
  }
}
