/** What one try at a rate gave. */
export interface Try<T> {
  readonly held: boolean
  /** It failed by so much that another try at this rate would fail too. */
  readonly hopeless?: boolean
  readonly value: T
}

/**
 * Finds the highest rate that holds: doubles until one fails, then halves the interval so many times. A rate that fails is
 * tried once more, as one hiccup of the machine is not the server's limit.
 * @returns the best try that held, or null when not even the first did
 */
export const findMost = async <T>(
  first: number,
  limit: number,
  halvings: number,
  attempt: (rate: number) => Promise<Try<T>>,
): Promise<{ rate: number; value: T } | null> => {
  let best: { rate: number; value: T } | null = null
  const holds = async (rate: number): Promise<boolean> => {
    for (let i = 0; i < 2; i++) {
      const { held, hopeless = false, value } = await attempt(rate)
      if (hopeless) return false
      if (!held) continue
      best = { rate, value }
      return true
    }
    return false
  }
  let low = 0
  let high = first
  while (await holds(high)) {
    low = high
    if (high >= limit) return best
    high = Math.min(limit, high * 2)
  }
  if (low === 0) return null
  for (let i = 0; i < halvings; i++) {
    const middle = Math.round((low + high) / 2)
    if (await holds(middle)) low = middle
    else high = middle
  }
  return best
}
