import type { WeftError } from './errors.js'

interface Waiter {
  readonly target: number
  refusal?: WeftError
  readonly resolve: () => void
  readonly reject: (error: WeftError) => void
}

/** Promises that wait for change numbers to be settled. Nobody has to look at them: they never reject unhandled. */
export interface Waiters {
  /** Resolves when {@link settle} has passed `target`. */
  wait(target: number): Promise<void>
  /** Change `n` was refused: whoever waits for it will be told. */
  refused(n: number, error: WeftError): void
  /** Every change below `first` is settled. */
  settle(first: number): void
  /** What they wait for does not come any more. */
  fail(error: WeftError): void
}

export const createWaiters = (): Waiters => {
  let waiting: Waiter[] = []
  const refused = (n: number, error: WeftError): void => {
    for (const waiter of waiting) if (waiter.target >= n) waiter.refusal ??= error
  }
  const settle = (first: number): void => {
    waiting = waiting.filter(({ target, refusal, resolve, reject }) => {
      if (target >= first) return true
      if (refusal) reject(refusal)
      else resolve()
      return false
    })
  }
  return {
    wait: (target) =>
      handled(new Promise((resolve, reject) => void waiting.push({ target, resolve, reject }))),
    refused,
    settle,
    fail: (error) => {
      refused(0, error)
      settle(Infinity)
    },
  }
}

/** Promises that wait for one answer each, by number. They never reject unhandled either. */
export interface Answers<T> {
  /** Whether somebody waits for this one. */
  has(n: number): boolean
  wait(n: number): Promise<T>
  resolve(n: number, answer: T): void
  reject(n: number, error: WeftError): void
  rejectAll(error: WeftError): void
}

export const createAnswers = <T>(): Answers<T> => {
  const waiting = new Map<number, { resolve(answer: T): void; reject(error: WeftError): void }>()
  const take = (n: number): ReturnType<typeof waiting.get> => {
    const one = waiting.get(n)
    waiting.delete(n)
    return one
  }
  return {
    has: (n) => waiting.has(n),
    wait: (n) => handled(new Promise((resolve, reject) => void waiting.set(n, { resolve, reject }))),
    resolve: (n, answer) => take(n)?.resolve(answer),
    reject: (n, error) => take(n)?.reject(error),
    rejectAll: (error) => {
      for (const n of [...waiting.keys()]) take(n)?.reject(error)
    },
  }
}

/** The same promise, marked as looked at: its rejection is told to who awaits it, and is no "unhandled rejection". */
export const handled = <T>(promise: Promise<T>): Promise<T> => {
  promise.catch(() => undefined)
  return promise
}
