import type { WeftError } from './errors.js'

interface Waiter {
  readonly target: number
  refusal: WeftError | null
  readonly resolve: () => void
  readonly reject: (error: WeftError) => void
}

/** Promises that wait for change numbers to be settled. Nobody has to look at them: they never reject unhandled. */
export class Waiters {
  private waiting: Waiter[] = []

  /** Resolves when {@link settle} has passed `target`. */
  wait(target: number): Promise<void> {
    const promise = new Promise<void>((resolve, reject) => {
      this.waiting.push({ target, refusal: null, resolve, reject })
    })
    return handled(promise)
  }

  /** Change `n` was refused: whoever waits for it will be told. */
  refused(n: number, error: WeftError): void {
    for (const waiter of this.waiting) if (waiter.target >= n) waiter.refusal ??= error
  }

  /** Every change below `first` is settled; null when all are. */
  settle(first: number | null): void {
    if (this.waiting.length === 0) return
    const done = (waiter: Waiter): boolean => first === null || waiter.target < first
    const settled = this.waiting.filter(done)
    this.waiting = this.waiting.filter((waiter) => !done(waiter))
    for (const { refusal, resolve, reject } of settled) {
      if (refusal === null) resolve()
      else reject(refusal)
    }
  }

  /** What they wait for does not come any more. */
  fail(error: WeftError): void {
    const failed = this.waiting
    this.waiting = []
    for (const { refusal, reject } of failed) reject(refusal ?? error)
  }
}

/** The same promise, marked as looked at: its rejection is told to who awaits it, and is no "unhandled rejection". */
export const handled = <T>(promise: Promise<T>): Promise<T> => {
  promise.catch(() => undefined)
  return promise
}
