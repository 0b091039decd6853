/* Whether a room's first full state is here, in a form that can be read while rendering. */
import type { Unsubscribe } from '../emitter.js'
import type { Room } from '../types.js'

/** What is asked of a room: any room, whatever its shapes. */
type SyncRoom = Pick<Room, 'status' | 'synced' | 'on'>

class SyncState {
  /** Why the state does not come, when it is known that it does not. */
  error: unknown = null
  private readonly room: SyncRoom
  private readonly listeners = new Set<() => void>()
  private here: boolean
  private waiting: Promise<void> | null = null

  constructor(room: SyncRoom) {
    this.room = room
    this.here = room.status === 'live'
    // The subscriptions live as long as the room does, which ends them.
    room.on('synced', () => this.set(true, null))
    room.on('reset', () => this.set(false, null))
    room.on('status', (status) => {
      if (status !== 'denied' && status !== 'left') this.error = null
    })
    // It may be here and offline by now.
    if (!this.here) void this.wait()
  }

  get synced(): boolean {
    return this.here
  }

  /** Resolves when there is something new to say: it is here, or there is an error. */
  wait(): Promise<void> {
    this.waiting ??= this.room
      .synced()
      .then(
        () => this.set(true, null),
        (error: unknown) => this.set(this.here, error),
      )
      .finally(() => {
        this.waiting = null
      })
    return this.waiting
  }

  subscribe(listener: () => void): Unsubscribe {
    this.listeners.add(listener)
    return () => void this.listeners.delete(listener)
  }

  private set(here: boolean, error: unknown): void {
    this.error = error
    if (here === this.here) return
    this.here = here
    for (const listener of [...this.listeners]) listener()
  }
}

const states = new WeakMap<SyncRoom, SyncState>()

/** The state of a room, one for all who look. */
export const syncStateOf = (room: SyncRoom): SyncState => {
  const state = states.get(room) ?? new SyncState(room)
  states.set(room, state)
  return state
}
