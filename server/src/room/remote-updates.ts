/*
 * What other nodes have relayed here and nobody has told committed yet. Pure: time is passed in.
 *
 * A relay carries the updates, numbered per node; the commit's notice says which number got which seq. Either may come first,
 * twice, or never (I4): what is forgotten here is read from the log.
 */
import type { NodeId } from '../bus/index.js'
import type { Inspection } from '../crdt/index.js'
import type { Seq } from '../ids.js'
import type { Share } from '../tenants/index.js'
import type { RelayItem } from './relay.js'
import type { UncommittedUpdate } from './uncommitted.js'

/** An update that another node has relayed. */
export interface RemoteUpdate extends RelayItem, UncommittedUpdate {
  readonly inspection: Inspection
}

/** What an update takes beside its payload: an inspection and a few objects. An estimate for the limit. */
const overhead = 512

const sizeOf = ({ payload }: RemoteUpdate): number => payload.length + overhead

/** Numbers that are remembered per node: told committed before they came, or done with. */
const remembered = 1_024

/** Nodes that are remembered per room; a node that is started again is another one. */
const maxNodes = 256

class NodeUpdates {
  readonly held = new Map<number, RemoteUpdate>()
  readonly told = new Map<number, Seq>()
  readonly done = new Set<number>()
}

export class RemoteUpdates {
  private readonly nodes = new Map<NodeId, NodeUpdates>()
  private readonly maxBytes: number
  private readonly memory: Share
  private byteLength = 0

  /**
   * @param maxBytes of updates held; beyond them the oldest are let go of (I6)
   * @param memory what all rooms of the tenant may hold together: when it is full, the same
   */
  constructor(maxBytes: number, memory: Share) {
    this.maxBytes = maxBytes
    this.memory = memory
  }

  /** Updates held. */
  get size(): number {
    let size = 0
    for (const { held } of this.nodes.values()) size += held.size
    return size
  }

  /** Whether that update came already. */
  has(node: NodeId, number: number): boolean {
    const known = this.nodes.get(node)
    return known !== undefined && (known.held.has(number) || known.done.has(number))
  }

  /**
   * Takes an update in that is not here yet.
   * @returns the seq, when it was told before: it is not held then
   */
  add(node: NodeId, number: number, update: RemoteUpdate): Seq | null {
    const of = this.of(node)
    const seq = of.told.get(number)
    if (seq !== undefined) {
      of.told.delete(number)
      this.finish(of, number)
      return seq
    }
    of.held.set(number, update)
    this.grew(sizeOf(update))
    return null
  }

  /** The update got that seq. @returns the update, null when it has not come, or not any more */
  committed(node: NodeId, number: number, seq: Seq): RemoteUpdate | null {
    const of = this.of(node)
    const update = this.takeFrom(of, number)
    if (update !== null) return update
    if (of.done.has(number)) return null
    of.told.set(number, seq)
    trim(of.told)
    return null
  }

  /** The event is in the tail already, whoever told. @returns the update, if it was held */
  drop(node: NodeId, number: number): RemoteUpdate | null {
    const of = this.nodes.get(node)
    if (of === undefined) return null
    of.told.delete(number)
    const update = this.takeFrom(of, number)
    if (update === null) this.finish(of, number)
    return update
  }

  /** Takes out what came before `time`, oldest first. */
  takeOlder(time: number): RemoteUpdate[] {
    const taken: RemoteUpdate[] = []
    for (const of of this.nodes.values()) {
      for (const [number, { arrived }] of of.held) {
        if (arrived >= time) break
        const update = this.takeFrom(of, number)
        if (update !== null) taken.push(update)
      }
    }
    return taken.sort((a, b) => a.place - b.place)
  }

  /** Lets go of the oldest beyond the limits. @returns them */
  shed(): RemoteUpdate[] {
    const shed: RemoteUpdate[] = []
    while (this.byteLength > this.maxBytes || !this.memory.fits(0)) {
      let oldest: { of: NodeUpdates; number: number; place: number } | null = null
      for (const of of this.nodes.values()) {
        for (const [number, { place }] of of.held) {
          if (oldest === null || place < oldest.place) oldest = { of, number, place }
          break
        }
      }
      const update = oldest === null ? null : this.takeFrom(oldest.of, oldest.number)
      if (update === null) break
      shed.push(update)
    }
    return shed
  }

  /** Lets go of everything: the room closes. */
  clear(): void {
    this.nodes.clear()
    this.grew(-this.byteLength)
  }

  private takeFrom(of: NodeUpdates, number: number): RemoteUpdate | null {
    const update = of.held.get(number)
    if (update === undefined) return null
    of.held.delete(number)
    this.grew(-sizeOf(update))
    this.finish(of, number)
    return update
  }

  private grew(bytes: number): void {
    this.byteLength += bytes
    this.memory.add(bytes)
  }

  private finish(of: NodeUpdates, number: number): void {
    of.done.add(number)
    trim(of.done)
  }

  private of(node: NodeId): NodeUpdates {
    const known = this.nodes.get(node)
    if (known !== undefined) return known
    const added = new NodeUpdates()
    this.nodes.set(node, added)
    if (this.nodes.size > maxNodes) {
      // A node that is long gone, most likely: the first whose updates are all done with.
      for (const [other, { held }] of this.nodes) {
        if (held.size > 0 || other === node) continue
        this.nodes.delete(other)
        break
      }
    }
    return added
  }
}

const trim = (collection: Map<number, unknown> | Set<number>): void => {
  for (const oldest of collection.keys()) {
    if (collection.size <= remembered) return
    collection.delete(oldest)
  }
}
