/** Something that holds a base, and can read it again. */
export interface BaseHolder {
  dropBase(): void
}

/**
 * The memory of a node's bases: the least recently used are let go of past a limit (I6). Who is sending one keeps its own
 * reference meanwhile.
 */
export class BaseMemory {
  private readonly maxBytes: number
  /** Least recently used first. */
  private readonly held = new Map<BaseHolder, number>()
  private total = 0

  /** @param maxBytes a single larger base is held all the same while it is the newest */
  constructor(maxBytes: number) {
    this.maxBytes = maxBytes
  }

  /** Bytes held. */
  get bytes(): number {
    return this.total
  }

  /** `holder` has a base of that size now. */
  hold(holder: BaseHolder, bytes: number): void {
    this.release(holder)
    if (bytes === 0) return
    this.held.set(holder, bytes)
    this.total += bytes
    for (const [oldest] of this.held) {
      if (this.total <= this.maxBytes || oldest === holder) return
      this.release(oldest)
      oldest.dropBase()
    }
  }

  /** `holder` has used its base. */
  use(holder: BaseHolder): void {
    const bytes = this.held.get(holder)
    if (bytes === undefined) return
    this.held.delete(holder)
    this.held.set(holder, bytes)
  }

  release(holder: BaseHolder): void {
    this.total -= this.held.get(holder) ?? 0
    this.held.delete(holder)
  }
}
