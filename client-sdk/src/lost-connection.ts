import type { Clock } from './clock.js'
import { createTimer } from './timer.js'
import type { ConnectionStatus } from './types.js'

/**
 * What a user may want to be told of the connection. `lost`: there has been none for a while (`timing.lostAfter`).
 * `restored`: it is back after that. `failed`: it does not come back by itself.
 */
export type LostConnection = 'lost' | 'restored' | 'failed'

const trying: readonly ConnectionStatus[] = ['authenticating', 'connecting', 'reconnecting', 'offline']

/**
 * Tells a connection that is gone from one that flickers: a short loss is nobody's concern.
 * @param grace how long a loss is short, in milliseconds
 * @returns takes each status
 */
export const lostConnectionWatch = (
  clock: Clock,
  grace: number,
  tell: (what: LostConnection) => void,
): ((status: ConnectionStatus) => void) => {
  const timer = createTimer(clock)
  let told: LostConnection | null = null
  const say = (what: LostConnection): void => tell((told = what))
  return (status) => {
    if (trying.includes(status)) {
      if (told !== 'lost' && !timer.running) timer.start(grace, () => say('lost'))
      return
    }
    timer.stop()
    if (status === 'denied') say('failed')
    else {
      // Idle and closed are as the application asked: nothing to tell.
      if (told && (status === 'connected' || status === 'draining')) tell('restored')
      told = null
    }
  }
}
