/* What comes for a room in its turn, also while the code for something rare is loaded. */

import { onDemand } from './on-demand.js'

/** The code that few pages ever need. */
type Refusal = typeof import('./refusal.js')

/** Frames that wait for it at most: whatever keeps it away, what waits is bounded. */
const limit = 1000

/** The turns of one membership after the other. */
export interface Turns {
  /** Something waits for its code: nothing may overtake it. */
  readonly waiting: boolean
  /** Does it, behind what waits. */
  take(action: () => void): void
  /** Sees to something rare as soon as its code is here. Until then nothing is sent, and what comes waits. */
  setback(see: (code: Refusal) => void): void
  /** The membership is over: what was to be done in it is done no more. */
  stop(): void
}

/**
 * @param seen something rare was seen to, and what came meanwhile as well
 * @param failed the code does not come. The membership has to be left: in the next one the server says the same again
 */
export const createTurns = (seen: () => void, failed: (cause: unknown) => void): Turns => {
  let behind: (() => void)[] | null = null
  /** Counts memberships. */
  let life = 0

  const take = (action: () => void): void => {
    if (!behind) action()
    else if (behind.push(action) > limit) failed(undefined)
  }

  /** Never rejects. */
  const load = async (see: (code: Refusal) => void): Promise<void> => {
    const during = life
    const queue: (() => void)[] = (behind = [])
    try {
      const code = await onDemand.refusal()
      if (life !== during) return
      behind = null
      see(code)
      for (const action of queue) if (life === during) take(action)
      if (life === during) seen()
    } catch (thrown) {
      if (life === during) failed(thrown)
    }
  }

  return {
    get waiting() {
      return !!behind
    },
    take,
    setback: (see) => void load(see),
    stop: () => {
      life++
      behind = null
    },
  }
}
