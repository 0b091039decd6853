/* The timers of a token: some time before its end a newer one is asked for, and at its end what it let in is over. */
import { at } from './session.js'

/** Milliseconds before the end of a token at which the client is asked for a new one. */
const renewMs = 30_000

/** Who the token lets in. */
export interface TokenHolder {
  /** The token ends soon: ask for a newer one. */
  askForToken(): void
  /** The token has ended. */
  tokenExpired(): void
}

export class TokenTimers {
  private readonly holder: TokenHolder
  private cancel: (() => void) | null = null
  /** The end of the token for which a newer one was asked, or will be. */
  private renewed: number | null = null

  constructor(holder: TokenHolder) {
    this.holder = holder
  }

  /** For a token, in place of an earlier one. @param expires its end, in milliseconds since 1970; null for none */
  arm(expires: number | null): void {
    this.stop()
    if (expires === null) return
    const now = Date.now()
    // Once for each token: a provider that has no other gives the same one again.
    const asksAgain = expires !== this.renewed
    this.renewed = expires
    const stopRenewal = at(Math.max(expires - renewMs, (now + expires) / 2), () => {
      if (asksAgain) this.holder.askForToken()
    })
    const stopExpiry = at(expires, () => this.holder.tokenExpired())
    this.cancel = () => {
      stopRenewal()
      stopExpiry()
    }
  }

  stop(): void {
    this.cancel?.()
    this.cancel = null
  }
}
