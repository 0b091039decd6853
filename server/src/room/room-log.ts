import { unpackEvents, type DocTasks } from '../compaction/index.js'
import { inspectUpdate, isLarge, UpdateInvalidError, type Inspection } from '../crdt/index.js'
import type { RoomId, Seq } from '../ids.js'
import type { Store, StoredEvent } from '../store/types.js'

/** A Yjs update that holds nothing: stands in the tail for a stored one that cannot be used, so that seqs stay dense. */
export const emptyUpdate: Uint8Array = Uint8Array.of(0, 0)

/** An update as the tail keeps it when nothing is known of its author. */
export const anonymousUpdate = (seq: Seq, payload: Uint8Array, createdAt: number): StoredEvent => ({
  seq,
  kind: 'update',
  author: null,
  clientId: null,
  clientSeq: null,
  name: null,
  payload,
  createdAt,
})

/** Events read from the log at once when a hole is filled or a client resumes. */
export const readPage = 1_000

/** An event of the log as it can be used. */
export interface UsableEvent {
  readonly event: StoredEvent
  /** Null for a message, and for an update that cannot be used. */
  readonly inspection: Inspection | null
}

/** What a room reads from the store after it has been opened. */
export class RoomLog {
  private readonly room: { readonly id: RoomId; readonly epoch: number }
  private readonly store: Pick<Store, 'readEvents'>
  private readonly workers: DocTasks

  constructor(room: RoomLog['room'], store: RoomLog['store'], workers: DocTasks) {
    this.room = room
    this.store = store
    this.workers = workers
  }

  /** The first events of `after < seq <= upTo`: a page, or all of them. @throws {StoreError} */
  async read(after: Seq, upTo: Seq): Promise<readonly UsableEvent[]> {
    const page = await this.store.readEvents(this.room.id, after, upTo, readPage)
    const usable: UsableEvent[] = []
    // One after the other: a page of large updates all at once would be more than the workers take.
    for (const event of page) usable.push(await this.fit(event))
    return usable
  }

  /** The state up to `seq`: a base that was let go of. @throws {StoreError} and DocWorkerError */
  async readState(seq: Seq): Promise<Uint8Array | null> {
    const loaded = await this.workers.load({ roomId: this.room.id, epoch: this.room.epoch, upTo: seq })
    const parts = loaded.base === null ? [] : [loaded.base]
    for (const { kind, payload } of unpackEvents(loaded.events)) if (kind === 'update') parts.push(payload)
    return parts.length > 1 ? await this.workers.merge({ parts }) : (parts[0] ?? null)
  }

  /** An update that is none is not passed on, and does not fail the room (I7). */
  private async fit(event: StoredEvent): Promise<UsableEvent> {
    if (event.kind === 'message') return { event, inspection: null }
    const { payload } = event
    try {
      const inspection = isLarge(payload)
        ? await this.workers.inspect({ update: payload })
        : inspectUpdate(payload)
      return { event, inspection }
    } catch (error) {
      if (!(error instanceof UpdateInvalidError)) throw error
      return { event: { ...event, payload: emptyUpdate }, inspection: null }
    }
  }
}
