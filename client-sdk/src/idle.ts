import type { Clock } from './clock.js'
import type { Platform } from './platform.js'

/** Whether the user of this page is there: `idle` after a time without activity, and at once when the page is hidden. */
export class IdleWatch {
  private readonly clock: Clock
  private readonly platform: Platform
  /** Milliseconds; null: never idle. */
  private readonly idleAfter: number | null
  private readonly changed: (idle: boolean) => void
  private lastActive: number
  private cancel: (() => void) | null = null
  private current: boolean

  constructor(clock: Clock, platform: Platform, idleAfter: number | null, changed: (idle: boolean) => void) {
    this.clock = clock
    this.platform = platform
    this.idleAfter = idleAfter
    this.changed = changed
    this.lastActive = clock.now()
    this.current = idleAfter !== null && platform.hidden
    if (!this.current) this.wait()
  }

  get idle(): boolean {
    return this.current
  }

  /** Called for every move of a pointer: no timer is touched for it. */
  activity(): void {
    this.lastActive = this.clock.now()
    // What a hidden page does is done by a program.
    if (!this.current || this.platform.hidden) return
    this.set(false)
    this.wait()
  }

  hidden(): void {
    if (this.idleAfter === null) return
    this.stop()
    this.set(true)
  }

  stop(): void {
    this.cancel?.()
    this.cancel = null
  }

  private wait(): void {
    if (this.idleAfter === null) return
    this.stop()
    const left = this.lastActive + this.idleAfter - this.clock.now()
    this.cancel = this.clock.after(Math.max(1, left), () => {
      this.cancel = null
      if (this.clock.now() - this.lastActive >= (this.idleAfter ?? Infinity)) this.set(true)
      else this.wait()
    })
  }

  private set(idle: boolean): void {
    if (idle === this.current) return
    this.current = idle
    this.changed(idle)
  }
}
