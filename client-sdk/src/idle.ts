import type { Clock } from './clock.js'
import type { Platform } from './platform.js'

/** Tells when the user is away: for a while without activity, and at once when the page is hidden. */
export interface IdleWatch {
  readonly idle: boolean
  /** Called for every move of a pointer: no timer is touched for it. */
  activity(): void
  stop(): void
}

const activities = ['pointerdown', 'pointermove', 'keydown', 'wheel', 'touchstart', 'focus']

/** Loaded by clients with the option `idleAfter`: see `on-demand.ts`. @param idleAfter in milliseconds */
export const start = (
  clock: Clock,
  platform: Platform,
  idleAfter: number,
  changed: (idle: boolean) => void,
): IdleWatch => {
  let cancel: (() => void) | undefined
  let lastActive = clock.now()
  let idle = platform.hidden

  const wait = (): void => {
    const left = lastActive + idleAfter - clock.now()
    cancel?.()
    cancel = clock.after(Math.max(1, left), () => {
      if (clock.now() - lastActive >= idleAfter) set(true)
      else wait()
    })
  }

  const set = (next: boolean): void => {
    if (next !== idle) changed((idle = next))
  }

  const activity = (): void => {
    lastActive = clock.now()
    // What a hidden page does is done by a program.
    if (!idle || platform.hidden) return
    set(false)
    wait()
  }

  const unwatch = [
    platform.listen('page', ['visibilitychange'], () => {
      if (!platform.hidden) activity()
      else {
        cancel?.()
        set(true)
      }
    }),
    // Where there is no page, these say nothing of a user.
    ...(platform.isPage ? [platform.listen('scope', activities, activity)] : []),
  ]
  if (!idle) wait()
  return {
    get idle() {
      return idle
    },
    activity,
    stop: () => {
      cancel?.()
      for (const stop of unwatch) stop()
    },
  }
}
