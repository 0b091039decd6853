/* Replaces the token on the running connection before it expires (P9), and knows when a token does. */
import { fullJitter } from './backoff.js'
import type { ConnectionEffect, Credentials, Facts, Refresh, UpState } from './connection-states.js'

/** A connection whose plan has changed, and what is to be done for it: what `watch` goes on with. */
type Renewal = [UpState, Facts, readonly ConnectionEffect[]]

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

/**
 * The plan for a new connection. A token that seems to have expired, though the server takes it, tells that the device's
 * clock is wrong: there is nothing to plan by, and the server's 4407 is the plan.
 */
export const firstRefresh = ({ expires }: Credentials, facts: Facts): Refresh | null => {
  const { now, timing, random, refreshable } = facts
  if (!refreshable || expires === null || expires <= now || timing.refreshBefore <= 0) return null
  const left = expires - now
  // A token that lives only a few minutes is not asked for all the time.
  const before = Math.min(timing.refreshBefore, left / 3)
  // Up to half earlier: the tokens of a crowd that came together do not expire together.
  return { phase: 'due', at: Math.floor(expires - before * (1 + random() / 2)), failures: 0 }
}

/** What falls due now. */
export const nextStep = (state: UpState, facts: Facts): [Refresh | null, ConnectionEffect[]] => {
  const { refresh } = state
  const { now, timing } = facts
  if (!refresh || now < refresh.at) return [refresh, []]
  const { phase, failures } = refresh
  if (phase === 'due') {
    return [{ phase: 'asking', at: now + timing.authTimeout, failures }, [['authenticate']]]
  }
  return again(state, failures, `${phase === 'asking' ? 'auth()' : 'AUTHED'} took too long`, facts)
}

/** `auth()` brought a token for the running connection. */
export const tokenCame = (state: UpState, credentials: Credentials, facts: Facts): Renewal => {
  const { refresh } = state
  if (refresh?.phase !== 'asking') return [state, facts, []]
  const { token } = credentials
  if (token === null || token === state.credentials.token) {
    const what = token === null ? 'no token' : 'the token that is about to expire'
    return tokenFailed(state, `auth() brought ${what}`, facts)
  }
  const at = facts.now + facts.timing.welcomeTimeout
  return [{ ...state, refresh: { ...refresh, phase: 'sent', at, credentials } }, facts, [['renew', token]]]
}

/** `auth()` failed on the running connection: it is asked again until the token has expired. */
export const tokenFailed = (state: UpState, message: string, facts: Facts): Renewal => {
  if (state.refresh?.phase !== 'asking') return [state, facts, []]
  const [refresh, effects] = again(state, state.refresh.failures, message, facts)
  return [{ ...state, refresh }, facts, effects]
}

/** The server took the new token. */
export const authed = (state: UpState, facts: Facts): UpState => {
  if (state.refresh?.phase !== 'sent') return state
  const { credentials } = state.refresh
  return { ...state, credentials, refresh: firstRefresh(credentials, facts) }
}

const again = (
  state: UpState,
  failures: number,
  message: string,
  { now, timing, random }: Facts,
): [Refresh | null, ConnectionEffect[]] => {
  const effects: ConnectionEffect[] = [['report', { code: 'auth_failed', message }]]
  // Never at once: auth() may fail as fast as it is called.
  const delay = timing.retryBase + fullJitter(failures, timing.retryBase, timing.retryMax, random)
  // Too late for another try: the server closes with 4407, and the reconnect asks for a token anyway.
  if (now + delay >= (state.credentials.expires ?? 0)) return [null, effects]
  return [{ phase: 'due', at: now + delay, failures: failures + 1 }, effects]
}
