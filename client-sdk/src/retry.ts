/* How a connection ends: for good, or until the next attempt, and when that is. */
import { CloseCode, retryClass } from '@weft/protocol'
import { fullJitter } from './backoff.js'
import { isUp } from './connection-states.js'
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

/** What is to be done when the socket has closed. */
export const closedByPeer = (state: ConnectionState, code: number, reason: string, facts: Facts): Step => {
  if (state.name !== 'opening' && state.name !== 'greeting' && !isUp(state)) return [state, []]
  const error = state.name === 'opening' ? null : state.error
  const failure: Failure = {
    code: error?.code ?? nameOf(code),
    message: error?.message ?? (reason === '' ? `the connection was closed (${code})` : reason),
  }
  const renewable = code === CloseCode.tokenExpired && facts.refreshable
  return retryClass(code) === 'permanent' && !renewable ? deny(state, failure) : retry(state, failure, facts)
}

/** Closes what runs and tries again later. */
export const giveUp = (state: ActiveState, code: number, failure: Failure, facts: Facts): Step => {
  const [next, effects] = retry(state, failure, facts)
  const rest = effects.filter((effect) => effect.type !== 'abandon')
  return [next, [{ type: 'abandon', code, reason: failure.message }, ...rest]]
}

/** Tries again later, unless it has been long enough. */
export const retry = (state: ActiveState, failure: Failure, facts: Facts): Step => {
  const { now, timing, online } = facts
  const since = isUp(state) ? now : state.since
  if (now - since >= timing.giveUpAfter) {
    return deny(state, { code: 'gave_up', message: `no connection came about: ${failure.message}` })
  }
  const lasted = isUp(state) && now - state.since >= timing.stableAfter
  const tooMuch = failure.code === 'overloaded' || failure.code === 'rate_limited'
  const failures = Math.max(lasted ? 0 : state.attempt, tooMuch ? slowAttempt : 0)
  const retryAfter = isUp(state) || state.name === 'greeting' ? (state.error?.retryAfter ?? 0) : 0
  let delay = retryAfter + retryDelay(failures, tooMuch, facts)
  let notBefore = retryAfter > 0 ? now + delay : 0
  if (state.name === 'draining') {
    // The server has spread these delays over its clients: no jitter on top.
    delay = Math.max(0, state.reconnectAt - now)
    notBefore = state.reconnectAt
  }
  if (!online) delay = Math.max(delay, offlineDelay(facts))
  const pause = { attempt: failures + 1, since, delay, until: now + delay, notBefore, failure }
  const effects: ConnectionEffect[] = [{ type: 'abandon', code: 1000, reason: '' }]
  if (isUp(state)) effects.push({ type: 'down' })
  effects.push({ type: 'timer', ms: delay })
  return [{ name: online ? 'waiting' : 'offline', ...pause }, effects]
}

/** Half to the whole of `offlineRetry`: one attempt in a while, as the platform is often wrong. */
export const offlineDelay = ({ timing, random }: Facts): number =>
  Math.floor((timing.offlineRetry * (1 + random())) / 2)

const retryDelay = (failures: number, tooMuch: boolean, { timing, hidden, random }: Facts): number =>
  fullJitter(
    hidden ? Math.max(failures, slowAttempt) : failures,
    timing.retryBase,
    hidden || tooMuch ? timing.slowRetryMax : timing.retryMax,
    random,
  )

const deny = (state: ActiveState, failure: Failure): Step => {
  const down: ConnectionEffect[] = isUp(state) ? [{ type: 'down' }] : []
  return [
    { name: 'denied', failure },
    [{ type: 'stopTimer' }, { type: 'abandon', code: 1000, reason: '' }, ...down],
  ]
}

/** What to call a close that no ERROR frame explained. */
const nameOf = (code: number): string => {
  switch (code) {
    case CloseCode.unauthorized:
      return 'unauthorized'
    case CloseCode.forbidden:
      return 'forbidden'
    case CloseCode.tokenExpired:
      return 'token_expired'
    case CloseCode.unsupportedVersion:
      return 'unsupported_version'
    case CloseCode.protocolError:
      return 'invalid_frame'
    case CloseCode.draining:
      return 'draining'
    case CloseCode.overloaded:
      return 'overloaded'
    case CloseCode.slow:
      return 'slow'
    case CloseCode.timeout:
      return 'timeout'
    case CloseCode.rateLimited:
      return 'rate_limited'
    default:
      return 'connection_lost'
  }
}
