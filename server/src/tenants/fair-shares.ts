/*
 * How the tenants of a node share one of its limits: pure arithmetic.
 *
 * A tenant may have up to so many times what is free: with a share of 50 % as much as is free, so one alone has up to a half, two up
 * to a third each, n up to 1/(n + 1) each. Something is free for the next one, however many work together, and nobody has to be
 * known in advance. (Choudhury and Hahne, "Dynamic queue length thresholds for shared-memory packet switches", 1998.)
 */

/** What a node knows of its tenants as a whole. */
export class FairShares {
  readonly percent: number
  private several = false

  /** @param percent what one tenant alone may have of each limit; 100 for no shares */
  constructor(percent: number) {
    this.percent = percent
  }

  /** A tenant has come to this node. */
  meet(tenant: string): void {
    if (tenant !== '') this.several = true
  }

  /** Where tokens name no tenant there is one, and all of the node is its own. */
  caps(tenant: string): boolean {
    return this.percent < 100 && (tenant !== '' || this.several)
  }

  /** A limit of the node that its tenants share. */
  limit(max: number): SharedLimit {
    return new SharedLimit(max, this)
  }
}

export class SharedLimit {
  readonly max: number
  readonly shares: FairShares
  /** What all tenants have together. */
  used = 0

  constructor(max: number, shares: FairShares) {
    this.max = max
    this.shares = shares
  }

  share(tenant: string): Share {
    return new Share(this, tenant)
  }
}

/** What one tenant has of a limit. Whoever takes something asks `fits` before; asking and taking are additions of a few integers. */
export class Share {
  /** What this tenant has. */
  used = 0
  private readonly limit: SharedLimit
  private readonly tenant: string

  constructor(limit: SharedLimit, tenant: string) {
    this.limit = limit
    this.tenant = tenant
  }

  /** Whether the tenant may have so much more. One that has nothing may have whatever is free. */
  fits(more: number): boolean {
    const { max, used, shares } = this.limit
    const free = max - used - more
    if (free < 0) return false
    if (this.used === 0 || !shares.caps(this.tenant)) return true
    return (this.used + more) * (100 - shares.percent) <= free * shares.percent
  }

  /** Whether others may have a share as well. */
  get isCapped(): boolean {
    return this.limit.shares.caps(this.tenant)
  }

  /** Whether nobody has anything. */
  get isFirst(): boolean {
    return this.limit.used === 0
  }

  /** @param amount negative when it is given back */
  add(amount: number): void {
    this.used += amount
    this.limit.used += amount
  }
}
