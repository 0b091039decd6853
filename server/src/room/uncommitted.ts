/** An update that is relayed and not committed yet. */
export interface UncommittedUpdate {
  readonly payload: Uint8Array
  /** Its place among the room's updates on this node, in the order of their relay; -1 while it is not among them. */
  place: number
}

/** Places that stand empty before the list is written anew. */
const maxGone = 64

/**
 * The updates of a room that are relayed and not committed yet, in the order of their relay.
 *
 * A list with gaps and not a set, which would be filled and emptied again with every update: each time V8 gives such a set a
 * new table, to which the old one points, and once one of them has got into the old space all later ones follow it there.
 */
export class UncommittedUpdates {
  private items: UncommittedUpdate[] = []
  private gone = 0
  private next = 0

  /** The place behind the newest. */
  get end(): number {
    return this.next
  }

  /** Places in memory, also those that stand empty. */
  get places(): number {
    return this.items.length
  }

  add(update: UncommittedUpdate): void {
    update.place = this.next++
    // See `MemberAcks.add`.
    if (this.items.length === 0) this.items = [update]
    else this.items.push(update)
  }

  /** It is committed, or will not be. Nothing happens when it is not among them. */
  delete(update: UncommittedUpdate): void {
    if (update.place < 0) return
    update.place = -1
    this.gone++
    if (this.gone === this.items.length) {
      this.items = []
      this.gone = 0
    } else if (this.gone > maxGone && this.gone > this.items.length / 2) {
      this.items = this.items.filter(({ place }) => place >= 0)
      this.gone = 0
    }
  }

  /** The payloads from a place on. While the database is away they may be many. */
  from(place: number): Uint8Array[] {
    const payloads: Uint8Array[] = []
    for (const item of this.items) if (item.place >= 0 && item.place >= place) payloads.push(item.payload)
    return payloads
  }
}
