import type { Logger } from './types.js'

/** Ends a subscription. Harmless when called again. */
export type Unsubscribe = () => void

/**
 * Typed events. A listener that throws, or returns a promise that rejects, is reported to the logger and hurts neither
 * the other listeners nor the connection.
 */
export class Emitter<Events extends object> {
  private readonly listeners = new Map<keyof Events, Set<(payload: never) => unknown>>()
  private readonly logger: Logger

  constructor(logger: Logger) {
    this.logger = logger
  }

  on<K extends keyof Events>(event: K, listener: (payload: Events[K]) => void): Unsubscribe {
    const set = this.listeners.get(event) ?? new Set()
    this.listeners.set(event, set)
    // A function of its own per subscription: the same listener may subscribe twice and leave once.
    const entry = (payload: Events[K]): unknown => listener(payload)
    set.add(entry)
    return () => void set.delete(entry)
  }

  emit<K extends keyof Events>(event: K, payload: Events[K]): void {
    const set = this.listeners.get(event)
    if (set === undefined) return
    for (const listener of [...set] as ((payload: Events[K]) => unknown)[]) {
      const report = (thrown: unknown): void =>
        this.logger.error(`weft: a listener of '${String(event)}' failed`, thrown)
      try {
        const result = listener(payload)
        if (result instanceof Promise) result.catch(report)
      } catch (thrown) {
        report(thrown)
      }
    }
  }

  clear(): void {
    this.listeners.clear()
  }
}
