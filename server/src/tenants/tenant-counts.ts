/** What is counted of a tenant: plain numbers, which rooms hold and increment. */
export interface TenantUsage {
  updates: number
  updateBytes: number
  /** Joins and changes refused because the tenant has its share of the node. */
  refused: number
}

const nothing = (): TenantUsage => ({ updates: 0, updateBytes: 0, refused: 0 })

/**
 * The counts of the tenants that get a label of their own in the metrics: the first so many that come to the node. All others
 * share one record, so that the number of tenants does not become the number of series, and no count ever falls.
 */
export class TenantCounts {
  readonly others = nothing()
  private readonly max: number
  private readonly named = new Map<string, TenantUsage>()

  /** @param max tenants with a label of their own */
  constructor(max: number) {
    this.max = max
  }

  /** The record that a tenant counts in. */
  of(tenant: string): TenantUsage {
    const known = this.named.get(tenant)
    if (known !== undefined) return known
    if (this.named.size >= this.max) return this.others
    const usage = nothing()
    this.named.set(tenant, usage)
    return usage
  }

  /** The tenants with a label of their own, and their counts. */
  entries(): Iterable<[tenant: string, usage: TenantUsage]> {
    return this.named.entries()
  }
}

/** What the metrics tell of a tenant. */
export interface TenantSample extends TenantUsage {
  /** Null for all those without a label of their own. */
  readonly tenant: string | null
  rooms: number
  members: number
}

/** The samples of a scrape, from the counts and the rooms that are open. Empty when no tenant has a label of its own. */
export const tenantSamples = (
  counts: TenantCounts,
  rooms: Iterable<{ readonly tenant: string; readonly memberCount: number }>,
): readonly TenantSample[] => {
  const others: TenantSample = { tenant: null, rooms: 0, members: 0, ...counts.others }
  const named = new Map<string, TenantSample>()
  for (const [tenant, usage] of counts.entries())
    named.set(tenant, { tenant, rooms: 0, members: 0, ...usage })
  if (named.size === 0) return []
  for (const { tenant, memberCount } of rooms) {
    const sample = named.get(tenant) ?? others
    sample.rooms++
    sample.members += memberCount
  }
  return [...named.values(), others]
}
