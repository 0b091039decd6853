import type { Logger } from './types.js'

/** Ends a subscription. Harmless when called again. */
export type Unsubscribe = () => void

/** Typed events. */
export interface Emitter<Events extends object> {
  on<K extends keyof Events>(event: K, listener: (payload: Events[K]) => void): Unsubscribe
  /**
   * A listener that throws, or returns a promise that rejects, is reported to the logger and hurts neither the other
   * listeners nor the connection.
   */
  emit<K extends keyof Events>(event: K, payload: Events[K]): void
  clear(): void
}

export const createEmitter = <Events extends object>(logger: Logger): Emitter<Events> => {
  const listeners = new Map<keyof Events, Set<(payload: never) => unknown>>()
  return {
    on: (event, listener) => {
      const set = listeners.get(event) ?? new Set()
      listeners.set(event, set)
      // A function of its own per subscription: the same listener may subscribe twice and leave once.
      const entry = (payload: never): unknown => listener(payload)
      set.add(entry)
      return () => void set.delete(entry)
    },
    emit: (event, payload) => {
      for (const listener of [...(listeners.get(event) ?? [])]) {
        // Now; and what it returns is waited for, when that is a promise.
        new Promise((resolve) => resolve(listener(payload as never))).catch((thrown: unknown) =>
          logger.error(`weft: a listener of '${String(event)}' failed`, thrown),
        )
      }
    },
    clear: () => listeners.clear(),
  }
}
