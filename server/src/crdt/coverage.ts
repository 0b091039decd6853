import type { Id, Inspection } from './inspect.js'
import { encodeStateVector } from './state-vector.js'

/** The part of an inspection that decides when an update can be integrated. */
export type Coverable = Pick<Inspection, 'structs' | 'links' | 'byteLength'>

/** What a range or a link of an update that waits takes in memory, in bytes: tiny structs take 2 on the wire. */
const PIECE_BYTES = 64

/** What the clock of a client takes in memory, in bytes. */
const CLOCK_BYTES = 48

/** What an update takes while it waits. */
function weightOf({ structs, links, byteLength }: Coverable): number {
  return byteLength + PIECE_BYTES * (structs.length + links.length)
}

/** A `Coverage` as plain data: structured-cloneable and JSON-able. */
export interface SerializedCoverage {
  /** client, clock, client, clock, ... */
  readonly state: readonly number[]
  readonly waiting: readonly (Coverable & { readonly tag: number | null })[]
}

/** An update that is not integrated whole yet. */
interface Entry {
  readonly update: Coverable
  readonly tag: number | null
  lanes: number
}

/** What one update holds of one client, and how far it is integrated. */
interface Lane {
  readonly client: number
  nextRange: number
  nextLink: number
  /** Its ranges and links are those of the entry before these. */
  readonly endRange: number
  readonly endLink: number
  readonly entry: Entry
}

interface Waiter {
  readonly clock: number
  readonly lane: Lane
}

/**
 * What a log of updates holds, integrated: the state vector that a Y.Doc would have after the same updates, without the
 * Y.Doc (a Y.Doc fed out of order may lag behind it: Yjs sometimes tries again later than it could). A struct counts once everything before it and everything that it refers to counts; until then it waits, as in
 * Yjs, and follows by itself when what it waits for arrives. Adding a keystroke costs one map access.
 */
export class Coverage {
  private readonly state = new Map<number, number>()
  private readonly waiting = new Set<Entry>()
  /** Lanes by the client that they wait for, highest clock first: the next to go is the last. */
  private readonly waiters = new Map<number, Waiter[]>()
  private released: number[] = []
  private bytes = 0

  /** A coverage that starts at the state vector of a compacted base. */
  static fromStateVector(stateVector: ReadonlyMap<number, number>): Coverage {
    const coverage = new Coverage()
    for (const [client, clock] of stateVector) coverage.assume(client, clock)
    return coverage
  }

  static restore(serialized: SerializedCoverage): Coverage {
    const coverage = new Coverage()
    const { state, waiting } = serialized
    for (let i = 0; i + 1 < state.length; i += 2) coverage.assume(state[i] ?? 0, state[i + 1] ?? 0)
    for (const { tag, ...update } of waiting) coverage.add(update, tag ?? undefined)
    coverage.released = []
    return coverage
  }

  /** How many updates wait for others. The caller bounds it (I6). */
  get waitingCount(): number {
    return this.waiting.size
  }

  /** The memory that the updates that wait take, in bytes. */
  get waitingBytes(): number {
    return this.bytes
  }

  /** The memory that all of it takes, in bytes. An estimate. */
  get memoryBytes(): number {
    return this.bytes + this.state.size * CLOCK_BYTES
  }

  /** How many bytes of memory an update would add: none for one of known clients that has what it refers to. */
  growthBy(update: Coverable & Pick<Inspection, 'deps'>): number {
    let bytes = this.covers(update.deps) ? 0 : weightOf(update)
    let last = -1
    for (const { client } of update.structs) {
      if (client !== last && !this.state.has(client)) bytes += CLOCK_BYTES
      last = client
    }
    return bytes
  }

  /**
   * Takes in an update. Returns whether all of its structs are integrated now; if not, it waits.
   * @param tag comes out of `takeReleased` when the update is integrated after having waited (a seq, a relay number)
   */
  add(update: Coverable, tag?: number): boolean {
    const { structs, links } = update
    if (structs.length === 1 && links.length === 0) {
      const range = structs[0]
      if (range === undefined) return true
      const known = this.state.get(range.client) ?? 0
      const end = range.clock + range.len
      if (end <= known) return true
      if (range.clock <= known) {
        this.state.set(range.client, end)
        if (this.waiters.size > 0) this.run(this.woken(range.client, end, []))
        return true
      }
    }
    if (structs.length === 0) return true
    const entry: Entry = { update, tag: tag ?? null, lanes: 0 }
    const lanes = split(entry)
    entry.lanes = lanes.length
    this.waiting.add(entry)
    this.bytes += weightOf(update)
    const releasedBefore = this.released.length
    this.run(lanes)
    if (this.waiting.has(entry)) return false
    // It did not wait: its tag is not news to the caller.
    if (entry.tag !== null) {
      const own = this.released.indexOf(entry.tag, releasedBefore)
      if (own >= 0) this.released.splice(own, 1)
    }
    return true
  }

  /** Counts everything of `client` before `clock` as integrated. */
  assume(client: number, clock: number): void {
    if (clock <= (this.state.get(client) ?? 0)) return
    this.state.set(client, clock)
    this.run(this.woken(client, clock, []))
  }

  /** The tags of the updates that waited and are integrated since the last call. */
  takeReleased(): number[] {
    if (this.released.length === 0) return []
    const released = this.released
    this.released = []
    return released
  }

  /** Whether everything is integrated that `deps` names. */
  covers(deps: readonly Id[]): boolean {
    for (const dep of deps) if ((this.state.get(dep.client) ?? 0) <= dep.clock) return false
    return true
  }

  /** Whether the update repeats something that is integrated: see `trimKnown`. */
  overlaps(update: Pick<Coverable, 'structs'>): boolean {
    for (const range of update.structs) if ((this.state.get(range.client) ?? 0) > range.clock) return true
    return false
  }

  /** The next clock expected of a client: 0 if nothing is known of it. */
  clockOf(client: number): number {
    return this.state.get(client) ?? 0
  }

  /** A copy: client to the next clock expected of it. */
  stateVector(): Map<number, number> {
    return new Map(this.state)
  }

  /** In Yjs' encoding, clients descending as Yjs writes them. */
  encodeStateVector(): Uint8Array {
    return encodeStateVector(this.state)
  }

  serialize(): SerializedCoverage {
    const state: number[] = []
    for (const [client, clock] of this.state) state.push(client, clock)
    return {
      state,
      waiting: [...this.waiting].map(({ update, tag }) => ({
        structs: update.structs,
        links: update.links,
        byteLength: update.byteLength,
        tag,
      })),
    }
  }

  /** Moves the lanes on as far as they go, and whatever that wakes. */
  private run(lanes: Lane[]): void {
    for (let lane = lanes.pop(); lane !== undefined; lane = lanes.pop()) {
      const before = this.state.get(lane.client) ?? 0
      this.advance(lane)
      const after = this.state.get(lane.client) ?? 0
      if (after > before) this.woken(lane.client, after, lanes)
    }
  }

  private advance(lane: Lane): void {
    const { client, endRange, endLink } = lane
    const { structs, links } = lane.entry.update
    for (; lane.nextRange < endRange; lane.nextRange++) {
      const range = structs[lane.nextRange]
      if (range === undefined) break
      const end = range.clock + range.len
      const known = this.state.get(client) ?? 0
      if (known >= end) continue
      if (known < range.clock) {
        this.wait(client, range.clock - 1, lane)
        return
      }
      for (; lane.nextLink < endLink; lane.nextLink++) {
        const link = links[lane.nextLink]
        if (link === undefined || link.clock >= end) break
        if (link.clock < known || (this.state.get(link.needs.client) ?? 0) > link.needs.clock) continue
        if (link.clock > known) this.state.set(client, link.clock)
        this.wait(link.needs.client, link.needs.clock, lane)
        return
      }
      this.state.set(client, end)
    }
    if (--lane.entry.lanes === 0) this.complete(lane.entry)
  }

  private complete(entry: Entry): void {
    this.waiting.delete(entry)
    this.bytes -= weightOf(entry.update)
    if (entry.tag !== null) this.released.push(entry.tag)
  }

  private wait(client: number, clock: number, lane: Lane): void {
    const queue = this.waiters.get(client)
    if (queue === undefined) {
      this.waiters.set(client, [{ clock, lane }])
      return
    }
    let low = 0
    let high = queue.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((queue[middle]?.clock ?? -1) > clock) low = middle + 1
      else high = middle
    }
    queue.splice(low, 0, { clock, lane })
  }

  /** Adds to `lanes` those that waited for a clock of `client` below `known`. */
  private woken(client: number, known: number, lanes: Lane[]): Lane[] {
    const queue = this.waiters.get(client)
    if (queue === undefined) return lanes
    for (let last = queue.at(-1); last !== undefined && last.clock < known; last = queue.at(-1)) {
      queue.pop()
      lanes.push(last.lane)
    }
    if (queue.length === 0) this.waiters.delete(client)
    return lanes
  }
}

/** Structs and links stand in the same order, one client after the other. */
function split(entry: Entry): Lane[] {
  const { structs, links } = entry.update
  const lanes: Lane[] = []
  let range = 0
  let link = 0
  while (range < structs.length) {
    const client = structs[range]?.client ?? 0
    const rangesFrom = range
    while (range < structs.length && structs[range]?.client === client) range++
    const linksFrom = link
    while (link < links.length && links[link]?.client === client) link++
    lanes.push({ client, nextRange: rangesFrom, nextLink: linksFrom, endRange: range, endLink: link, entry })
  }
  return lanes
}
