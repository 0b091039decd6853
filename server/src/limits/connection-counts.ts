/* Connections by user, tenant or address: what this node has, and what the others last told of theirs. */

/** One user, tenant or address with connections to this node. */
export interface Counted {
  readonly key: string
  count: number
  /** Connections of it to other nodes, as last heard. */
  others: number
}

export class ConnectionCounts {
  /** 0: nothing is counted. */
  readonly limit: number
  private readonly counts = new Map<string, Counted>()

  constructor(limit: number) {
    this.limit = limit
  }

  /** @returns `uncounted` when there is no limit, null when it is reached */
  take(key: string): Counted | null {
    if (this.limit === 0) return uncounted
    const known = this.counts.get(key)
    if (known === undefined) {
      const counted = { key, count: 1, others: 0 }
      this.counts.set(key, counted)
      return counted
    }
    if (known.count + known.others >= this.limit) return null
    known.count++
    return known
  }

  release(counted: Counted): void {
    if (counted === uncounted || --counted.count > 0) return
    this.counts.delete(counted.key)
  }

  /**
   * Those with an eighth of the limit here: only they are told to the other nodes, so that millions of users with a
   * connection or two cost nothing. A node with fewer may let in that eighth beyond the limit.
   */
  *notable(): Iterable<Counted> {
    for (const counted of this.counts.values()) {
      if (counted.count * 8 >= this.limit) yield counted
      else counted.others = 0
    }
  }
}

/** Stands for everybody where there is no limit. */
export const uncounted: Counted = { key: '', count: 0, others: 0 }
