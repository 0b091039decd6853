/* What the platform says of the network and of the page, where it says anything. It is often wrong: hints only. */

interface Target {
  addEventListener?(type: string, listener: () => void, options?: { readonly passive: boolean }): void
  removeEventListener?(type: string, listener: () => void): void
}

interface Scope extends Target {
  readonly document?: Target & { readonly visibilityState?: string }
  readonly navigator?: { readonly onLine?: boolean }
}

/** What the platform hints at. */
export interface PlatformListener {
  /** The network is said to be back, or the page is visible again, thawed, or shown out of the back/forward cache. */
  wake(): void
  networkLost(): void
  /** The page is no longer to be seen. */
  hidden(): void
  /** Its user moves, types, scrolls or looks at it. Often. */
  activity(): void
}

/** The platform as the SDK sees it. */
export interface Platform {
  /** False only where the platform says that there is no network. */
  readonly online: boolean
  /** Whether the page is hidden; false where there is no page. */
  readonly hidden: boolean
  /** @returns ends it */
  watch(listener: PlatformListener): () => void
}

const activities = ['pointerdown', 'pointermove', 'keydown', 'wheel', 'touchstart', 'focus']

export const platform: Platform = {
  get online() {
    const scope: Scope = globalThis
    return scope.navigator?.onLine !== false
  },
  get hidden() {
    const scope: Scope = globalThis
    return scope.document?.visibilityState === 'hidden'
  },
  watch: (listener) => {
    const scope: Scope = globalThis
    const page = scope.document
    const { wake, activity } = listener
    const visibility = (): void => {
      if (platform.hidden) listener.hidden()
      else {
        wake()
        activity()
      }
    }
    const listening: [Target, string, () => void][] = []
    const listen = (target: Target | undefined, types: readonly string[], action: () => void): void => {
      if (!target) return
      for (const type of types) {
        target.addEventListener?.(type, action, { passive: true })
        listening.push([target, type, action])
      }
    }
    listen(scope, ['online', 'pageshow'], wake)
    listen(scope, ['offline'], listener.networkLost)
    listen(page, ['visibilitychange'], visibility)
    // A frozen page hears nothing: its end is what tells.
    listen(page, ['resume'], wake)
    if (page) listen(scope, activities, activity)
    return () => {
      for (const [target, type, action] of listening) target.removeEventListener?.(type, action)
    }
  },
}
