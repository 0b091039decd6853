import type { Clock } from './clock.js'
import type { Platform } from './platform.js'
import { createTimer } from './timer.js'

/** Tells when the user is away: for a while without activity, and at once when the page is hidden. */
export interface IdleWatch {
  readonly idle: boolean
  /** Called for every move of a pointer: no timer is touched for it. */
  activity(): void
  hidden(): void
  stop(): void
}

/** @param idleAfter milliseconds; null: never idle */
export const createIdleWatch = (
  clock: Clock,
  platform: Platform,
  idleAfter: number | null,
  changed: (idle: boolean) => void,
): IdleWatch => {
  const timer = createTimer(clock)
  let lastActive = clock.now()
  let idle = idleAfter !== null && platform.hidden

  const wait = (): void => {
    if (idleAfter === null) return
    const left = lastActive + idleAfter - clock.now()
    timer.start(Math.max(1, left), () => {
      if (clock.now() - lastActive >= idleAfter) set(true)
      else wait()
    })
  }

  const set = (next: boolean): void => {
    if (next !== idle) changed((idle = next))
  }

  if (!idle) wait()
  return {
    get idle() {
      return idle
    },
    activity: () => {
      lastActive = clock.now()
      // What a hidden page does is done by a program.
      if (!idle || platform.hidden) return
      set(false)
      wait()
    },
    hidden: () => {
      if (idleAfter === null) return
      timer.stop()
      set(true)
    },
    stop: timer.stop,
  }
}
