import type { BusMessage, NodeId } from '../bus/index.js'
import type { RoomObserver } from './types.js'

type Listener = (message: BusMessage, from: NodeId) => void

/** What is held for a room while it is being loaded, at most. */
export const earlyLimits = { messages: 1_000, bytes: 1024 * 1024 } as const

/**
 * What other nodes say of a room while it is being loaded: it is heard once the room is there. Beyond the limit all of it is
 * forgotten (I6): the room has no hole that way, since it is read from the log after the first sweep, as any message that
 * was lost (I4).
 */
export class EarlyMessages {
  private held: [BusMessage, NodeId][] = []
  private bytes = 0
  private full = false

  add(message: BusMessage, from: NodeId): void {
    if (this.full) return
    this.bytes += bytesOf(message)
    if (this.held.length < earlyLimits.messages && this.bytes <= earlyLimits.bytes) {
      this.held.push([message, from])
      return
    }
    this.full = true
    this.held = []
  }

  /** Hands over what is held. One that makes the listener throw is reported, and hurts neither the others nor the opening (I7). */
  replay(listener: Listener, observer: Pick<RoomObserver, 'fault'>): void {
    for (const [message, from] of this.held) {
      try {
        listener(message, from)
      } catch (error) {
        observer.fault('handling a message of another node failed', error)
      }
    }
    this.held = []
  }
}

/** Payload bytes, and an estimate of the objects around them. */
const bytesOf = (message: BusMessage): number => {
  switch (message.kind) {
    case 'relay':
      return sum(message.updates, (update) => update.length + 64)
    case 'committed':
      return message.updates.length * 64 + sum(message.messages, ({ payload }) => payload.length + 256)
    case 'broadcast':
      return message.payload.length + 64
    case 'presence':
      return sum(message.entries, ({ state }) => 2 * (state?.length ?? 0) + 128)
    case 'presence_wanted':
      return 64
  }
}

const sum = <T>(items: readonly T[], size: (item: T) => number): number =>
  items.reduce((total, item) => total + size(item), 0)
