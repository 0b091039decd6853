/*
 * What the nodes' rows in the database tell: a row says until when its node is alive unless it is renewed. All times are the
 * database's, so that no node's clock matters. Pure.
 */
import type { NodeId } from '../bus/index.js'
import type { Swept } from '../store/types.js'

/**
 * What a node has to renew its row beyond the time of its next sweep, in milliseconds: for a slow query, or a failed one and
 * the next. Whoever is given up by mistake cannot say so until Redis is back.
 */
const leaseSlackMs = 3_000

/** A reading that is later than that, in milliseconds, shows that the database was away, or this node was. */
const lateMs = 1_000

/** How long a row says that its node is alive, in milliseconds. @param interval milliseconds to the next sweep */
export const leaseOf = (interval: number): number => interval + leaseSlackMs

/** What the rows tell of the nodes that were asked for. */
export interface NodeVerdict {
  /** They have not renewed their rows. */
  readonly dead: readonly NodeId[]
  /** They have stopped in good order, and removed their rows. */
  readonly left: readonly NodeId[]
}

export class NodeRows {
  private readonly grace: number
  /** Nodes that have, or had, a row: of another, which may be of an older release, the rows tell nothing. */
  private seen = new Set<NodeId>()
  private lastNow = Infinity
  /** When the next reading is due at the latest, for the readings to be without a gap. */
  private due = -Infinity
  /** Until then nobody is dead: what kept this node from the database may have kept all others from it too. */
  private graceUntil = Infinity

  /** @param longestInterval between two sweeps of any node, in milliseconds */
  constructor(longestInterval: number) {
    this.grace = leaseOf(longestInterval)
  }

  /**
   * Rows have been read.
   * @param nodes the nodes that matter
   * @param interval milliseconds to the next reading
   */
  read({ now, aliveUntil }: Swept, nodes: Iterable<NodeId>, interval: number): NodeVerdict {
    // Also when the clock was set: what the rows say is of another time then.
    if (now > this.due || now < this.lastNow) this.graceUntil = now + this.grace
    this.lastNow = now
    this.due = now + interval + lateMs
    const seen = new Set<NodeId>()
    const dead: NodeId[] = []
    const left: NodeId[] = []
    for (const node of nodes) {
      const until = aliveUntil.get(node)
      if (until === undefined) {
        if (!this.seen.has(node)) continue
        left.push(node)
      } else if (now > Math.max(until, this.graceUntil)) {
        dead.push(node)
      }
      seen.add(node)
    }
    this.seen = seen
    return { dead, left }
  }

  /** The database did not answer: everybody gets time to renew. */
  failed(): void {
    this.due = -Infinity
  }
}
