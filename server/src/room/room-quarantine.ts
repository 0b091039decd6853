/*
 * Rooms that cost this node more than they may: loading or compacting one takes too long, too much memory, or throws. Each
 * is left alone for a while, longer each time, so that its workers are there for the others (I7).
 */
import { DocWorkerError } from '../compaction/index.js'
import type { RoomId } from '../ids.js'
import { dropOldest } from './drop-oldest.js'

export type RoomTask = 'load' | 'compact'

/** A room that is left alone. */
export interface QuarantinedRoom {
  readonly id: RoomId
  readonly tenant: string
  readonly name: string
  readonly task: RoomTask
  /** Failures in a row. */
  readonly failures: number
  /** Milliseconds until it is tried again. */
  readonly retryMs: number
  readonly reason: string
}

/** The first time, and at most: after that it is tried again. In milliseconds. */
const firstMs = 30_000
const mostMs = 600_000
/** A room that was too much for a document is compacted without one for so long, in milliseconds. */
const plainMs = 3_600_000
/** Rooms remembered; the oldest go first. */
const maxRooms = 10_000

interface Entry {
  readonly failures: number
  readonly notBefore: number
}

export class RoomQuarantine {
  private readonly entries: Record<RoomTask, Map<RoomId, Entry>> = { load: new Map(), compact: new Map() }
  private readonly plain = new Map<RoomId, number>()
  private readonly told: (room: QuarantinedRoom) => void
  private readonly now: () => number

  /** @param told of each room that is set aside, each time */
  constructor(told: (room: QuarantinedRoom) => void, now: () => number = () => performance.now()) {
    this.told = told
    this.now = now
  }

  /** Rooms that are left alone. */
  get size(): number {
    const ids = new Set<RoomId>()
    for (const entries of Object.values(this.entries)) {
      for (const [id, { notBefore }] of entries) if (notBefore > this.now()) ids.add(id)
    }
    return ids.size
  }

  /** Whether the room is left alone now. */
  holds(id: RoomId, task: RoomTask): boolean {
    const entry = this.entries[task].get(id)
    return entry !== undefined && entry.notBefore > this.now()
  }

  /** A task failed. One that the room is to blame for sets it aside; a database that is away, or a queue that is full, does not. */
  failed(room: Pick<QuarantinedRoom, 'id' | 'tenant' | 'name'>, task: RoomTask, error: unknown): void {
    if (!(error instanceof DocWorkerError && error.isOfItsOwn)) return
    const entries = this.entries[task]
    const failures = (entries.get(room.id)?.failures ?? 0) + 1
    const retryMs = Math.min(mostMs, firstMs * 2 ** (failures - 1))
    remember(entries, room.id, { failures, notBefore: this.now() + retryMs })
    this.told({
      id: room.id,
      tenant: room.tenant,
      name: room.name,
      task,
      failures,
      retryMs,
      reason: error.message,
    })
  }

  succeeded(id: RoomId, task: RoomTask): void {
    this.entries[task].delete(id)
  }

  /** Whether the room is compacted without a document. */
  isPlain(id: RoomId): boolean {
    return (this.plain.get(id) ?? 0) > this.now()
  }

  /** A document of the room is too much: it is compacted without one for a while. */
  makePlain(id: RoomId): void {
    remember(this.plain, id, this.now() + plainMs)
  }
}

const remember = <T>(map: Map<RoomId, T>, id: RoomId, value: T): void => {
  map.delete(id)
  dropOldest(map, maxRooms)
  map.set(id, value)
}
