/* Who else is in the room, and what the bot shows of itself (P30 to P33, P58). */
import { readAwareness, writeAwareness } from '@weft/protocol'
import type { Other } from './types.js'

export class Presence {
  /** By awareness id. */
  readonly others = new Map<number, Other>()
  /** Whose ids they are: told before an id is shown. */
  private readonly users = new Map<number, string | null>()
  private own: unknown = null
  private clock = 0

  show(state: unknown): void {
    this.own = state
  }

  /** The bot's own state as the next update under an id; null when it shows nothing. The clock only grows. */
  next(clientId: number): Uint8Array | null {
    if (this.own === null) return null
    return writeAwareness([{ clientId, clock: ++this.clock, state: JSON.stringify(this.own) }])
  }

  /** P58. */
  identify(users: readonly { readonly id: number; readonly user: string | null }[]): void {
    for (const { id, user } of users) this.users.set(id, user)
  }

  /** @param own the bot's id */
  take(awareness: Uint8Array, own: number): void {
    for (const { clientId, state } of readAwareness(awareness, Infinity, Infinity)) {
      if (state === null) this.others.delete(clientId)
      else if (clientId !== own)
        this.others.set(clientId, { user: this.users.get(clientId) ?? null, state: JSON.parse(state) })
    }
  }

  /** P33: everybody is shown anew after a join. */
  clear(): void {
    this.others.clear()
    this.users.clear()
  }
}
