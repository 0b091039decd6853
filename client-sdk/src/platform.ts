/* What the platform says of the network and of the page, where it says anything. It is often wrong: hints only. */

interface Target {
  addEventListener?(type: string, listener: () => void, options?: { readonly passive: boolean }): void
  removeEventListener?(type: string, listener: () => void): void
}

interface Scope extends Target {
  readonly document?: Target & { readonly visibilityState?: string }
  readonly navigator?: { readonly onLine?: boolean }
}

/** The platform as the SDK sees it. */
export interface Platform {
  /** False only where the platform says that there is no network. */
  readonly online: boolean
  /** Whether the page is hidden; false where there is no page. */
  readonly hidden: boolean
  readonly isPage: boolean
  /** Calls the action for events of the document, or of the global scope, if there are any. @returns ends it */
  listen(to: 'page' | 'scope', types: readonly string[], action: () => void): () => void
}

export const platform: Platform = {
  get online() {
    const scope: Scope = globalThis
    return scope.navigator?.onLine !== false
  },
  get hidden() {
    const scope: Scope = globalThis
    return scope.document?.visibilityState === 'hidden'
  },
  get isPage() {
    const scope: Scope = globalThis
    return !!scope.document
  },
  listen: (to, types, action) => {
    const scope: Scope = globalThis
    const target = to === 'page' ? scope.document : scope
    for (const type of types) target?.addEventListener?.(type, action, { passive: true })
    return () => {
      for (const type of types) target?.removeEventListener?.(type, action)
    }
  },
}
