/*
 * Replaces the token on the running connection before it expires (P9). Loaded once a connection is there whose token can
 * be replaced. Without it the connection goes on as it is: the server's 4407 leads to a new one, with a new token.
 */
import type { Clock } from './clock.js'
import type { Timing } from './connection-states.js'
import type { Auth } from './types.js'

/** What the renewal of a token needs of its connection. */
export interface Renewed {
  readonly clock: Clock
  readonly timing: Timing
  readonly random: () => number
  readonly auth: Exclude<Auth, string>
  messageOf(thrown: unknown): string
  /** Sends AUTH; answered by AUTHED, or a close. */
  send(token: string): void
  /** Tells the application of what does not end the connection. */
  failed(message: string): void
  /** The delay before it is tried again. */
  retryDelay(failures: number): number
}

/** The renewal of the token of one connection. */
export interface TokenRefresh {
  /** The server took the new token. */
  authed(): void
  /** The connection is over. */
  stop(): void
}

/**
 * When a JSON Web Token expires, read without verifying it: whoever holds a token may read it.
 * @returns milliseconds since 1970; null when it is no such token, or does not expire
 */
export const expiryOf = (token: string): number | null => {
  const [, payload, signature] = token.split('.')
  if (!payload || signature === undefined) return null
  try {
    const claims: unknown = JSON.parse(atob(payload.replaceAll('-', '+').replaceAll('_', '/')))
    const { exp } = Object(claims) as { exp?: unknown }
    return typeof exp === 'number' ? exp * 1_000 : null
  } catch {
    // Not base64 or not JSON: no JSON Web Token, and nothing to know about it.
    return null
  }
}

/** @param token what the connection was opened with */
export const start = (token: string, connection: Renewed): TokenRefresh => {
  const { clock, timing, random } = connection
  let cancel: (() => void) | undefined
  let expires = 0
  /** Counts calls of `auth()`: only the last one's answer is heard. */
  let calls = 0
  /** A token that the server has not answered yet. */
  let sent: string | null = null

  const after = (ms: number, action: () => void): void => {
    cancel?.()
    cancel = clock.after(ms, action)
  }

  /**
   * A token that seems to have expired, though the server takes it, tells that the device's clock is wrong: there is
   * nothing to plan by, and the server's 4407 is the plan.
   */
  const plan = (): void => {
    const expiry = expiryOf(token)
    const left = expiry === null ? 0 : expiry - clock.date()
    if (left <= 0 || timing.refreshBefore <= 0) return
    expires = clock.now() + left
    // A token that lives only a few minutes is not asked for all the time.
    const before = Math.min(timing.refreshBefore, left / 3)
    // Up to half earlier: the tokens of a crowd that came together do not expire together.
    after(Math.floor(left - before * (1 + random() / 2)), () => void ask(0))
  }

  /** Never rejects. */
  const ask = async (failures: number): Promise<void> => {
    const call = ++calls
    after(timing.authTimeout, () => again(failures, 'auth() took too long'))
    let next: string | null = null
    let fault: string | undefined
    try {
      next = await connection.auth()
      if (next === null) fault = 'auth() brought no token'
      else if (next === token) fault = 'auth() brought the token that is about to expire'
    } catch (thrown) {
      fault = `auth() failed: ${connection.messageOf(thrown)}`
    }
    if (call !== calls) return
    if (next === null || fault !== undefined) again(failures, fault ?? '')
    else {
      sent = next
      after(timing.welcomeTimeout, () => again(failures, 'AUTHED took too long'))
      connection.send(next)
    }
  }

  /** It is asked again until the token has expired. */
  const again = (failures: number, message: string): void => {
    stop()
    // Never at once: auth() may fail as fast as it is called.
    const delay = timing.retryBase + connection.retryDelay(failures)
    // Too late for another try: the server closes with 4407, and the reconnect asks for a token anyway.
    if (clock.now() + delay < expires) after(delay, () => void ask(failures + 1))
    connection.failed(message)
  }

  const stop = (): void => {
    cancel?.()
    calls++
    sent = null
  }

  plan()
  return {
    authed: () => {
      if (sent === null) return
      token = sent
      stop()
      plan()
    },
    stop,
  }
}
