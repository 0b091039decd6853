import type { RoomId } from '../ids.js'
import type { Bus, BusMessage } from './types.js'

type Listener = (message: BusMessage) => void

/**
 * The bus of nodes in one process: `connect` gives each node its end. A single node has nobody to talk to, and pays one
 * map access a message.
 */
export class MemoryBus {
  private readonly rooms = new Map<RoomId, Map<Listener, Bus>>()

  /** A new node's end of the bus. */
  connect(): Bus {
    const end: Bus = {
      publish: (room, message) => {
        for (const [listener, owner] of this.rooms.get(room) ?? []) {
          // Later, as over a network: a listener never runs inside its publisher.
          if (owner !== end) setImmediate(() => this.deliver(room, listener, message))
        }
      },
      subscribe: (room, listener) => {
        const listeners = this.rooms.get(room) ?? new Map<Listener, Bus>()
        this.rooms.set(room, listeners)
        listeners.set(listener, end)
        return () => {
          listeners.delete(listener)
          if (listeners.size === 0 && this.rooms.get(room) === listeners) this.rooms.delete(room)
        }
      },
    }
    return end
  }

  private deliver(room: RoomId, listener: Listener, message: BusMessage): void {
    if (this.rooms.get(room)?.has(listener) === true) listener(message)
  }
}
