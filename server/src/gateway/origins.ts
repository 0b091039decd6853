/* Who may connect from a web page, and under which name. */

const loopbackHost = /^(localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\])(:\d{1,5})?$/i

/** Whether the header `Host` names this machine. A page of another name that resolves to 127.0.0.1 sends its own. */
export const isLoopbackHost = (host: string): boolean => loopbackHost.test(host)

const isLoopbackOrigin = (origin: string): boolean =>
  /^https?:\/\//i.test(origin) && isLoopbackHost(origin.replace(/^https?:\/\//i, ''))

/**
 * Whether pages of an origin may connect.
 * @param allowed ALLOWED_ORIGINS
 * @param open nothing verifies tokens: `*` is then pages of this machine only, or any page in the world that the user
 * visits could read and write everything through the user's browser
 */
export const isAllowedOrigin = (origin: string, allowed: readonly string[], open: boolean): boolean =>
  allowed.includes(origin) || (allowed.includes('*') && (!open || isLoopbackOrigin(origin)))
