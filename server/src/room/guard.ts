import type { RoomObserver } from './types.js'

/** A callback for a timer or a microtask, where an exception would end the process (I7): it is reported instead. */
export const guarded =
  (observer: Pick<RoomObserver, 'fault'>, what: string, run: () => void): (() => void) =>
  () => {
    try {
      run()
    } catch (error) {
      observer.fault(`${what} failed`, error)
    }
  }
