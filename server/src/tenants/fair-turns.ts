import type { Share, SharedLimit } from './fair-shares.js'

interface Waiting {
  readonly start: () => void
}

interface Line {
  readonly share: Share
  readonly waiting: Set<Waiting>
}

/**
 * Places that are given in turns: those who wait stand in a line for each tenant, and the next place goes to the next line. A
 * thousand of one tenant cost another the place before its own, not a thousand.
 */
export class FairTurns {
  private readonly concurrent: number
  private readonly limit: SharedLimit
  /** The line whose turn is next comes first. */
  private readonly lines = new Map<string, Line>()
  private running = 0

  /**
   * @param concurrent places
   * @param waiting how many may wait for one, all tenants together
   */
  constructor(concurrent: number, waiting: SharedLimit) {
    this.concurrent = concurrent
    this.limit = waiting
  }

  /** Those who wait. */
  get waiting(): number {
    return this.limit.used
  }

  /**
   * Waits for a place, which is given back with `end`.
   * @param signal ends the wait
   * @returns whether there is one: false when too many wait, or the wait was ended
   */
  async begin(tenant: string, signal?: AbortSignal): Promise<boolean> {
    if (this.running < this.concurrent) {
      this.running++
      return true
    }
    const line = this.lines.get(tenant) ?? { share: this.limit.share(tenant), waiting: new Set<Waiting>() }
    if (!line.share.fits(1)) return false
    this.lines.set(tenant, line)
    return await new Promise<boolean>((resolve) => {
      const giveUp = (): void => {
        this.leave(tenant, line, waiting)
        resolve(false)
      }
      const waiting = {
        start: () => {
          signal?.removeEventListener('abort', giveUp)
          resolve(true)
        },
      }
      line.waiting.add(waiting)
      line.share.add(1)
      signal?.addEventListener('abort', giveUp, { once: true })
    })
  }

  /** Gives a place back. It goes to the next one directly: nobody who comes meanwhile overtakes. */
  end(): void {
    for (const [tenant, line] of this.lines) {
      for (const next of line.waiting) {
        this.leave(tenant, line, next)
        // To the end of the lines.
        if (this.lines.delete(tenant)) this.lines.set(tenant, line)
        next.start()
        return
      }
    }
    this.running--
  }

  private leave(tenant: string, line: Line, waiting: Waiting): void {
    if (!line.waiting.delete(waiting)) return
    line.share.add(-1)
    if (line.waiting.size === 0) this.lines.delete(tenant)
  }
}
