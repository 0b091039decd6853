import type { Id, Range } from './inspect.js'

/** From here on a map is faster than looking through the list. */
const MAP_FROM = 12

/** The highest clock needed of each client. Built for the usual case of one to three clients. */
export class DependencyList {
  readonly ids: { client: number; clock: number }[] = []
  private index: Map<number, { client: number; clock: number }> | null = null

  get size(): number {
    return this.ids.length
  }

  add(client: number, clock: number): void {
    const known = this.find(client)
    if (known !== undefined) {
      if (known.clock < clock) known.clock = clock
      return
    }
    const id = { client, clock }
    this.ids.push(id)
    if (this.index !== null) this.index.set(client, id)
    else if (this.ids.length > MAP_FROM) this.index = new Map(this.ids.map((each) => [each.client, each]))
  }

  /**
   * Drops the needs that one of `ranges` supplies. The lower needs of that client, which are forgotten already, lie
   * before that range or in it: the dependency of the range on what comes before it says them all.
   */
  dropSupplied(ranges: readonly Range[]): void {
    let dropped = false
    for (const range of ranges) {
      const need = this.find(range.client)
      if (need !== undefined && need.clock >= range.clock && need.clock < range.clock + range.len) {
        need.clock = -1
        dropped = true
      }
    }
    if (!dropped) return
    const kept: Id[] = this.ids.filter((id) => id.clock >= 0)
    this.ids.length = 0
    this.index = null
    for (const id of kept) this.add(id.client, id.clock)
  }

  private find(client: number): { client: number; clock: number } | undefined {
    if (this.index !== null) return this.index.get(client)
    for (const id of this.ids) if (id.client === client) return id
    return undefined
  }
}
