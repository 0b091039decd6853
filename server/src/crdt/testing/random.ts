/** A seeded random source (mulberry32): the same seed gives the same run, so that a failure can be repeated. */
export interface Random {
  /** 0 <= x < 1 */
  next(): number
  /** 0 <= n < below */
  int(below: number): number
  pick<T>(items: readonly T[]): T
  shuffle<T>(items: readonly T[]): T[]
  chance(probability: number): boolean
}

export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
  const int = (below: number): number => Math.floor(next() * below)
  return {
    next,
    int,
    pick(items) {
      const item = items[int(items.length)]
      if (item === undefined) throw new Error('nothing to pick from')
      return item
    },
    shuffle(items) {
      const shuffled = [...items]
      for (let i = shuffled.length - 1; i > 0; i--) {
        const j = int(i + 1)
        const held = shuffled[i]
        const other = shuffled[j]
        if (held !== undefined && other !== undefined) [shuffled[i], shuffled[j]] = [other, held]
      }
      return shuffled
    },
    chance: (probability) => next() < probability,
  }
}
