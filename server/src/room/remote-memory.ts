/** What all rooms of a node hold of other nodes' uncommitted updates, in bytes (I6). */
export class RemoteMemory {
  private readonly maxBytes: number
  private used = 0

  /** @param maxBytes beyond them the room that takes something in lets go of its oldest */
  constructor(maxBytes: number) {
    this.maxBytes = maxBytes
  }

  get isFull(): boolean {
    return this.used > this.maxBytes
  }

  /** @param bytes negative when they are let go of */
  add(bytes: number): void {
    this.used += bytes
  }
}
