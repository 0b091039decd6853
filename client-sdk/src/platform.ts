/* Hints of the platform about the network, where it gives any. They are often wrong, so they only make the SDK look. */

interface Target {
  addEventListener?(type: string, listener: () => void): void
  removeEventListener?(type: string, listener: () => void): void
}

/**
 * Tells `wake` when the network is said to be back or the page becomes visible, `networkLost` when it is said to be gone.
 * @returns ends it
 */
export const watchPlatform = (hint: (type: 'wake' | 'networkLost') => void): (() => void) => {
  const scope: Target & { document?: Target & { visibilityState?: string } } = globalThis
  const page = scope.document
  const online = (): void => hint('wake')
  const offline = (): void => hint('networkLost')
  const visible = (): void => {
    if (page?.visibilityState === 'visible') hint('wake')
  }
  scope.addEventListener?.('online', online)
  scope.addEventListener?.('offline', offline)
  page?.addEventListener?.('visibilitychange', visible)
  return () => {
    scope.removeEventListener?.('online', online)
    scope.removeEventListener?.('offline', offline)
    page?.removeEventListener?.('visibilitychange', visible)
  }
}
