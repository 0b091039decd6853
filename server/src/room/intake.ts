/* Whether a change may come into a room: as far as the journal, memory and the document's size go. Asked before it is taken in (I3). */
import type { Coverage, Inspection } from '../crdt/index.js'
import type { RoomContext } from './context.js'
import type { RoomContent } from './content.js'
import { growth, type Growth } from './document-size.js'
import type { RoomCompaction } from './room-compaction.js'
import { emptyUpdate } from './room-log.js'
import type { EventTail } from './tail.js'

export class RoomIntake {
  private readonly context: RoomContext
  private readonly coverage: Coverage
  private readonly tail: EventTail
  private readonly content: RoomContent
  private readonly compaction: RoomCompaction

  constructor(
    context: RoomContext,
    coverage: Coverage,
    tail: EventTail,
    content: RoomContent,
    compaction: RoomCompaction,
  ) {
    this.context = context
    this.coverage = coverage
    this.tail = tail
    this.content = content
    this.compaction = compaction
  }

  /** Whether a change of that size may come in now. To be asked before `change` or `append` (I3). */
  hasRoom(bytes: number): boolean {
    if (this.context.journal.hasRoom(bytes)) return true
    this.context.usage.refused++
    return false
  }

  /**
   * Whether an update may come in as far as memory goes: too much that waits for what never came is not added to, nor more
   * authors than all rooms of the tenant may have (I6). An update of known authors whose dependencies are here is always
   * welcome: it may be what the others wait for.
   */
  admits(inspection: Inspection): boolean {
    const { coverage, context } = this
    const growth = coverage.growthBy(inspection)
    if (growth === 0) return true
    if (!context.memory.fits(growth)) {
      context.usage.refused++
      return false
    }
    return coverage.waitingBytes <= context.options.maxWaitingBytes || coverage.covers(inspection.deps)
  }

  /** Whether the document may take an update in as far as its size goes (P76). To be asked before `change` and `seed`. */
  growth(inspection: Inspection, bytes: number): Growth {
    const { content, compaction } = this
    const size = {
      maxBytes: this.context.options.maxDocumentBytes,
      baseBytes: content.baseBytes,
      tailBytes: this.tail.bytes,
      dueBytes: compaction.dueBytes,
      age: content.isCompact ? 0 : compaction.age,
    }
    const grown = growth(size, bytes)
    // What only deletes makes it smaller, and what is known is sent again because its ack was lost.
    if (grown === 'fits' || inspection.structs.length === 0 || this.knowsStructs(inspection)) return 'fits'
    if (grown === 'unknown') compaction.measure()
    return grown
  }

  /**
   * Whether the document is known to have another first content than this. Without a hole in what is known: the seed may have
   * been committed before, by whichever node, and its ack been lost (P56). What is not known for certain the log decides.
   */
  isFilledWithout(seed: Inspection): boolean {
    const filled = this.tail.hasUpdate || this.content.baseBytes > emptyUpdate.length
    return filled && !this.knowsStructs(seed) && this.coverage.covers(seed.deps)
  }

  /** Whether everything that an update holds is committed already, its deletes aside. */
  knowsStructs(inspection: Inspection): boolean {
    for (const { client, clock, len } of inspection.structs) {
      if (this.coverage.clockOf(client) < clock + len) return false
    }
    return true
  }
}
