/* How a connection ends: for good, or until the next attempt, and when that is. */
import { closeErrors, isPermanent } from '@weft/protocol'
import { fullJitter } from './backoff.js'
import { tokenExpiredCode, isUp } from './connection-states.js'
import type {
  ActiveState,
  ConnectionEffect,
  ConnectionState,
  Facts,
  Failure,
  Step,
} from './connection-states.js'

/** Slow retries start at this attempt: hidden pages, and those to whom the server has said that it is too much. */
const slowAttempt = 3

/** Leaves what runs for another state, and wakes after `ms`; null: not by itself. */
export const leave = (
  state: ConnectionState,
  next: ConnectionState,
  ms: number | null,
  reason: string,
  code = 1000,
): Step => {
  const effects: ConnectionEffect[] = [ms === null ? ['stopTimer'] : ['timer', ms], ['abandon', code, reason]]
  if (isUp(state)) effects.push(['down'])
  return [next, effects]
}

/** What is to be done when the socket has closed. */
export const closedByPeer = (
  state: ConnectionState,
  code: number,
  reason: string,
  facts: Facts,
): Step | null => {
  if (state.name !== 'opening' && state.name !== 'greeting' && !isUp(state)) return null
  // What was said before the close says more: an ERROR, or DRAIN, whose close is lost where a proxy sees the node go first.
  const { code: name, message } = (state.name === 'opening' ? null : state.error) ?? {
    code: closeErrors[code] ?? (state.name === 'draining' ? 'draining' : 'connection_lost'),
    message: reason || `the connection was closed (${code})`,
  }
  const failure = { code: name, message }
  const renewable = code === tokenExpiredCode && facts.refreshable
  return isPermanent(code) && !renewable ? deny(state, failure) : retry(state, failure, facts)
}

/**
 * Closes what runs and tries again later, unless it has been long enough.
 * @param code what the socket is closed with, unless it has closed already
 */
export const retry = (state: ActiveState, failure: Failure, facts: Facts, code = 1000): Step => {
  const { now, timing, online, hidden, random } = facts
  const up = isUp(state)
  const since = up ? now : state.since
  if (now - since >= timing.giveUpAfter) {
    return deny(state, { code: 'gave_up', message: `no connection came about: ${failure.message}` })
  }
  const lasted = up && now - state.since >= timing.stableAfter
  const tooMuch = failure.code === 'overloaded' || failure.code === 'rate_limited'
  const failures = Math.max(lasted ? 0 : state.attempt, tooMuch ? slowAttempt : 0)
  const retryAfter = up || state.name === 'greeting' ? (state.error?.retryAfter ?? 0) : 0
  let delay =
    retryAfter +
    fullJitter(
      hidden ? Math.max(failures, slowAttempt) : failures,
      timing.retryBase,
      hidden || tooMuch ? timing.slowRetryMax : timing.retryMax,
      random,
    )
  let notBefore = retryAfter > 0 ? now + delay : 0
  if (state.name === 'draining') {
    // The server has spread these delays over its clients: no jitter on top.
    delay = Math.max(0, state.reconnectAt - now)
    notBefore = state.reconnectAt
  }
  if (!online) delay = Math.max(delay, offlineDelay(facts))
  const name = online ? 'waiting' : 'offline'
  const pause = { attempt: failures + 1, since, delay, until: now + delay, notBefore, failure }
  return leave(state, { name, ...pause }, delay, failure.message, code)
}

/** Half to the whole of `offlineRetry`: one attempt in a while, as the platform is often wrong. */
export const offlineDelay = ({ timing, random }: Facts): number =>
  Math.floor((timing.offlineRetry * (1 + random())) / 2)

/** Ends for good: until somebody acts. */
export const deny = (state: ActiveState, failure: Failure): Step =>
  leave(state, { name: 'denied', failure }, null, failure.message)
