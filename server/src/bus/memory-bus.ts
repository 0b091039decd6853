import type { RoomId } from '../ids.js'
import type { Bus, BusMessage, NodeId, NodeMessage } from './types.js'

type RoomListener = (message: BusMessage, from: NodeId) => void
type NodeListener = (message: NodeMessage, from: NodeId) => void

/** The bus of nodes in one process: `connect` gives each node its end. */
export class MemoryBus {
  private readonly rooms = new Map<RoomId, Map<RoomListener, MemoryBusEnd>>()
  private readonly nodes = new Map<NodeListener, MemoryBusEnd>()
  private ends = 0

  /** A new node's end of the bus. */
  connect(node: NodeId): Bus {
    this.ends++
    return new MemoryBusEnd(node, this)
  }

  get hasOneEnd(): boolean {
    return this.ends < 2
  }

  publish(end: MemoryBusEnd, room: RoomId, message: BusMessage): void {
    for (const [listener, owner] of this.rooms.get(room) ?? []) {
      if (owner === end) continue
      // Later, as over a network: a listener never runs inside its publisher.
      setImmediate(() => {
        if (this.rooms.get(room)?.has(listener) === true) listener(message, end.node)
      })
    }
  }

  subscribe(end: MemoryBusEnd, room: RoomId, listener: RoomListener): () => void {
    const listeners = this.rooms.get(room) ?? new Map<RoomListener, MemoryBusEnd>()
    this.rooms.set(room, listeners)
    listeners.set(listener, end)
    return () => {
      listeners.delete(listener)
      if (listeners.size === 0 && this.rooms.get(room) === listeners) this.rooms.delete(room)
    }
  }

  announce(end: MemoryBusEnd, message: NodeMessage): void {
    for (const [listener, owner] of this.nodes) {
      if (owner === end) continue
      setImmediate(() => {
        if (this.nodes.has(listener)) listener(message, end.node)
      })
    }
  }

  onAnnouncement(end: MemoryBusEnd, listener: NodeListener): () => void {
    this.nodes.set(listener, end)
    return () => void this.nodes.delete(listener)
  }

  disconnect(end: MemoryBusEnd): void {
    this.ends--
    for (const [room, listeners] of this.rooms) {
      for (const [listener, owner] of listeners) if (owner === end) listeners.delete(listener)
      if (listeners.size === 0) this.rooms.delete(room)
    }
    for (const [listener, owner] of this.nodes) if (owner === end) this.nodes.delete(listener)
  }
}

class MemoryBusEnd implements Bus {
  readonly node: NodeId
  readonly isHealthy = true
  private readonly bus: MemoryBus
  private closed = false

  constructor(node: NodeId, bus: MemoryBus) {
    this.node = node
    this.bus = bus
  }

  get isAlone(): boolean {
    return this.bus.hasOneEnd
  }

  publish(room: RoomId, message: BusMessage): void {
    if (!this.closed) this.bus.publish(this, room, message)
  }

  subscribe(room: RoomId, listener: RoomListener): () => void {
    return this.bus.subscribe(this, room, listener)
  }

  announce(message: NodeMessage): void {
    if (!this.closed) this.bus.announce(this, message)
  }

  onAnnouncement(listener: NodeListener): () => void {
    return this.bus.onAnnouncement(this, listener)
  }

  /** It never changes. */
  onHealth(): () => void {
    return () => undefined
  }

  close(): Promise<void> {
    if (!this.closed) this.bus.disconnect(this)
    this.closed = true
    return Promise.resolve()
  }
}
