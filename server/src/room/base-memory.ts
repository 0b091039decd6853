/** Something that holds a base, and can read it again. */
export interface BaseHolder {
  dropBase(): void
}

/**
 * The memory of a node's bases: past a limit some are let go of (I6), the least recently used of the tenant that holds most. Who is
 * sending one keeps its own reference meanwhile.
 */
export class BaseMemory {
  private readonly maxBytes: number
  /** Those that hold something. */
  private readonly tenants = new Set<TenantBases>()
  private total = 0

  /** @param maxBytes a single larger base is held all the same while it is the newest */
  constructor(maxBytes: number) {
    this.maxBytes = maxBytes
  }

  /** Bytes held. */
  get bytes(): number {
    return this.total
  }

  /** A tenant's part of it. */
  forTenant(): TenantBases {
    const bases: TenantBases = new TenantBases((bytes, newest) => {
      this.total += bytes
      if (bases.bytes > 0) this.tenants.add(bases)
      else this.tenants.delete(bases)
      if (bytes > 0) this.shrink(newest)
    })
    return bases
  }

  private shrink(newest: BaseHolder | null): void {
    while (this.total > this.maxBytes) if (this.largest()?.dropOldest(newest) !== true) return
  }

  private largest(): TenantBases | null {
    let largest: TenantBases | null = null
    for (const bases of this.tenants) if (bases.bytes > (largest?.bytes ?? 0)) largest = bases
    return largest
  }
}

/** The bases of one tenant. */
export class TenantBases {
  /** Least recently used first. */
  private readonly held = new Map<BaseHolder, number>()
  private readonly changed: (bytes: number, newest: BaseHolder | null) => void
  private total = 0

  /** @param changed so many bytes more are held, or less; `newest` is not to be let go of */
  constructor(changed: (bytes: number, newest: BaseHolder | null) => void) {
    this.changed = changed
  }

  get bytes(): number {
    return this.total
  }

  /** `holder` has a base of that size now. */
  hold(holder: BaseHolder, bytes: number): void {
    this.release(holder)
    if (bytes === 0) return
    this.held.set(holder, bytes)
    this.total += bytes
    this.changed(bytes, holder)
  }

  /** `holder` has used its base. */
  use(holder: BaseHolder): void {
    const bytes = this.held.get(holder)
    if (bytes === undefined) return
    this.held.delete(holder)
    this.held.set(holder, bytes)
  }

  release(holder: BaseHolder): void {
    const bytes = this.held.get(holder)
    if (bytes === undefined) return
    this.held.delete(holder)
    this.total -= bytes
    this.changed(-bytes, null)
  }

  /** Lets go of the least recently used base other than `newest`. @returns whether there was one */
  dropOldest(newest: BaseHolder | null): boolean {
    for (const [oldest] of this.held) {
      if (oldest === newest) continue
      this.release(oldest)
      oldest.dropBase()
      return true
    }
    return false
  }
}
