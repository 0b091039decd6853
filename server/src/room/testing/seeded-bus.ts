import type { RoomId } from '../../ids.js'
import type { Bus, BusMessage, NodeId } from '../../bus/index.js'

type Listener = (message: BusMessage, from: NodeId) => void

/** What a bus does to its messages: probabilities, 0 to 1, and milliseconds. */
export interface BusFaults {
  readonly drop: number
  readonly duplicate: number
  /** Each message takes a time of its own up to this: that reorders them. */
  readonly delay: number
}

/** A bus that loses, doubles, delays and reorders what it carries (I4), by a seeded source of chance. */
export class SeededBus {
  private readonly listeners = new Map<Listener, SeededEnd>()
  private readonly random: () => number
  private readonly faults: BusFaults

  constructor(random: () => number, faults: BusFaults) {
    this.random = random
    this.faults = faults
  }

  connect(node: NodeId): SeededEnd {
    return new SeededEnd(node, this)
  }

  listen(end: SeededEnd, listener: Listener): () => void {
    this.listeners.set(listener, end)
    return () => void this.listeners.delete(listener)
  }

  send(from: SeededEnd, message: BusMessage): void {
    for (const [listener, end] of this.listeners) {
      if (end === from) continue
      const copies = this.random() < this.faults.drop ? 0 : this.random() < this.faults.duplicate ? 2 : 1
      for (let copy = 0; copy < copies; copy++) {
        setTimeout(() => {
          if (this.listeners.has(listener) && !end.isCut) listener(message, from.node)
        }, this.random() * this.faults.delay)
      }
    }
  }
}

export class SeededEnd implements Bus {
  readonly isAlone = false
  readonly isHealthy = true
  readonly node: NodeId
  /** Nothing comes in or goes out any more. */
  isCut = false
  private readonly bus: SeededBus

  constructor(node: NodeId, bus: SeededBus) {
    this.node = node
    this.bus = bus
  }

  publish(_room: RoomId, message: BusMessage): void {
    if (!this.isCut) this.bus.send(this, message)
  }

  subscribe(_room: RoomId, listener: Listener): () => void {
    return this.bus.listen(this, listener)
  }

  announce(): void {
    // Rooms announce nothing.
  }

  onAnnouncement(): () => void {
    return () => undefined
  }

  onHealth(): () => void {
    return () => undefined
  }

  close(): Promise<void> {
    this.isCut = true
    return Promise.resolve()
  }
}
