import type { Clock } from './clock.js'
import type { ConnectionStatus } from './types.js'

/**
 * What a user may want to be told of the connection. `lost`: there has been none for a while (`timing.lostAfter`).
 * `restored`: it is back after that. `failed`: it does not come back by itself.
 */
export type LostConnection = 'lost' | 'restored' | 'failed'

/** Tells a connection that is gone from one that flickers: a short loss is nobody's concern. */
export class LostConnectionWatch {
  private readonly clock: Clock
  private readonly grace: number
  private readonly tell: (what: LostConnection) => void
  private cancel: (() => void) | null = null
  private told: LostConnection | null = null

  constructor(clock: Clock, grace: number, tell: (what: LostConnection) => void) {
    this.clock = clock
    this.grace = grace
    this.tell = tell
  }

  take(status: ConnectionStatus): void {
    switch (status) {
      case 'authenticating':
      case 'connecting':
      case 'reconnecting':
      case 'offline':
        this.without()
        break
      case 'connected':
      case 'draining':
        this.stop()
        if (this.told !== null) this.say('restored')
        this.told = null
        break
      case 'denied':
        this.stop()
        this.say('failed')
        break
      case 'idle':
      case 'closed':
        // As the application asked: nothing to tell.
        this.stop()
        this.told = null
        break
    }
  }

  private without(): void {
    if (this.told === 'lost' || this.cancel !== null) return
    this.cancel = this.clock.after(this.grace, () => {
      this.cancel = null
      this.say('lost')
    })
  }

  private say(what: LostConnection): void {
    this.told = what
    this.tell(what)
  }

  private stop(): void {
    this.cancel?.()
    this.cancel = null
  }
}
