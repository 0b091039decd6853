import type { Holder } from './presence-owner.js'

/** An awareness id that left. Who showed it last may show it again (a hidden tab that returns). */
export interface Gone extends Holder {
  readonly clock: number
  /** When, in milliseconds. */
  readonly at: number
  /** The clock with which the owner's node told of the leave; null when this node found out in another way. */
  readonly told: number | null
}

/**
 * How long the clock of an id that left is remembered, in milliseconds. Receivers keep it too, and would not show a
 * client that returns with the same clock.
 */
const rememberMs = 60_000

/** Ids that left and are remembered, at most; beyond it the oldest half is forgotten (I6). */
export const maxRemembered = 16_384

/** The awareness ids that have left a room lately. */
export class GoneIds {
  private readonly ids = new Map<number, Gone>()
  private lastForget = 0

  get size(): number {
    return this.ids.size
  }

  get(clientId: number): Gone | undefined {
    return this.ids.get(clientId)
  }

  /** @param forgotten called for each id that is forgotten instead, so that nothing refers to it any more */
  add(clientId: number, gone: Gone, forgotten: (clientId: number) => void): void {
    this.ids.set(clientId, gone)
    if (this.ids.size <= maxRemembered) return
    for (const id of this.ids.keys()) {
      if (this.ids.size <= maxRemembered / 2) return
      this.ids.delete(id)
      forgotten(id)
    }
  }

  /** It is shown again. */
  delete(clientId: number): void {
    this.ids.delete(clientId)
  }

  /** Forgets what left long ago. @param isNeeded ids that somebody has yet to be told of */
  forget(now: number, isNeeded: (clientId: number) => boolean): void {
    if (now - this.lastForget < rememberMs / 4) return
    this.lastForget = now
    for (const [id, { at }] of this.ids) if (now - at >= rememberMs && !isNeeded(id)) this.ids.delete(id)
  }
}
