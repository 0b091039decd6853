import type { Bus, BusMessage, NodeId } from '../bus/index.js'
import type { DocTasks } from '../compaction/index.js'
import type { Coverage } from '../crdt/index.js'
import type { RoomId, Seq } from '../ids.js'
import type { JournalLane } from '../journal/index.js'
import type { Store, StoredEvent } from '../store/types.js'
import type { LoopLine, Share, TenantUsage } from '../tenants/index.js'
import type { TenantBases } from './base-memory.js'
import type { BatchEnd } from './batch-end.js'
import type { RoomQuarantine } from './room-quarantine.js'
import type { RoomObserver } from './types.js'
import type { WatermarkOptions } from './watermarks.js'

export interface RoomOptions extends WatermarkOptions {
  /** The tail is compacted past max(this, base / 4) bytes. */
  readonly compactBytes: number
  /** Awareness ids of one connection. */
  readonly presenceEntriesPerConnection: number
  /** Milliseconds before a hole in the log is read: the commit that fills it is often just behind. */
  readonly holeGrace: number
  /** Committed updates whose dependencies are missing, in bytes; beyond them such updates are refused (I6). */
  readonly maxWaitingBytes: number
  /** Size of a document as it is stored; see `growth`. */
  readonly maxDocumentBytes: number
}

/** What the rooms of a tenant share on a node. */
export interface RoomContext {
  readonly journal: JournalLane
  readonly bus: Bus
  readonly store: Pick<Store, 'readEvents'>
  readonly workers: DocTasks
  readonly bases: TenantBases
  readonly remoteMemory: Share
  /** Of what rooms know of authors and people: see `Room.admits` and `PresenceTable`. */
  readonly memory: Share
  readonly usage: TenantUsage
  /** The tenant's part of the event loop. */
  readonly loop: LoopLine
  readonly batchEnd: BatchEnd
  readonly quarantine: RoomQuarantine
  readonly observer: RoomObserver
  readonly options: RoomOptions
}

/** What the store knows of a room when it is opened. */
export interface LoadedRoom {
  readonly id: RoomId
  readonly epoch: number
  readonly baseSeq: Seq
  readonly base: Uint8Array | null
  readonly events: readonly StoredEvent[]
  readonly coverage: Coverage
  /** Starts to listen to the bus: what came since before the log was read comes first. @returns how to stop */
  listen(listener: (message: BusMessage, from: NodeId) => void): () => void
}
