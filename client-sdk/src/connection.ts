/*
 * The life of a connection as a pure state machine: no sockets, no timers, no clock. `step` takes a state, an event and
 * the facts of the moment, and gives the next state and what is to be done. `link.ts` does it.
 *
 *   idle ──connect──► authenticating ──token──► opening ──opened──► greeting ──welcome──► connected ──drain──► draining
 *                          ▲   │                   │                   │                     │                    │
 *                          │   └───── failure ─────┴───── failure ─────┴──────── lost ───────┴──────── lost ──────┤
 *                        timer                                                                                    │
 *                          └──────────── waiting ◄──hints──► offline ◄────────────────────────────────────────────┤
 *                                                            denied  ◄──── closed for good, or given up ──────────┘
 *
 * `disconnect` leads to idle and `close` to closed from everywhere. README.md draws the same with the public names.
 */
import { CloseCode } from '@weft/protocol'
import { fullJitter } from './backoff.js'
import { isActive, isPause, isUp } from './connection-states.js'
import type {
  ConnectionEffect,
  ConnectionEvent,
  ConnectionState,
  Facts,
  PauseState,
  Step,
  UpState,
} from './connection-states.js'
import { probe, watch } from './heartbeat.js'
import { closedByPeer, giveUp, offlineDelay, retry } from './retry.js'
import { authed, firstRefresh, tokenCame, tokenFailed } from './token-refresh.js'

/** One transition. An event that means nothing in a state leaves it as it is. */
export const step = (state: ConnectionState, event: ConnectionEvent, facts: Facts): Step => {
  const { timing, now } = facts
  if (state.name === 'closed') return [state, []]
  switch (event.type) {
    case 'close':
      return [{ name: 'closed' }, end(state)]
    case 'disconnect':
      return state.name === 'idle' ? [state, []] : [{ name: 'idle' }, end(state)]
    case 'connect':
      if (state.name === 'idle' || state.name === 'denied') return attempt(0, now, facts)
      return isPause(state) ? attempt(state.attempt, state.since, facts) : [state, []]
    case 'token': {
      const { token, expires } = event
      if (isUp(state)) return watchAfter(tokenCame(state, { token, expires }, facts), facts)
      if (state.name !== 'authenticating') return [state, []]
      return [
        { name: 'opening', attempt: state.attempt, since: state.since, credentials: { token, expires } },
        [{ type: 'timer', ms: timing.connectTimeout }, { type: 'open' }],
      ]
    }
    case 'tokenFailed':
      if (isUp(state)) return watchAfter(tokenFailed(state, event.message, facts), facts)
      if (state.name !== 'authenticating') return [state, []]
      return retry(state, { code: 'auth_failed', message: event.message }, facts)
    case 'impossible':
      return state.name === 'opening'
        ? [{ name: 'denied', failure: event.failure }, [{ type: 'stopTimer' }]]
        : [state, []]
    case 'opened':
      if (state.name !== 'opening') return [state, []]
      return [
        { ...state, name: 'greeting', error: null },
        [
          { type: 'timer', ms: timing.welcomeTimeout },
          { type: 'greet', token: state.credentials.token },
        ],
      ]
    case 'welcome':
      if (state.name !== 'greeting') return [state, []]
      return watch(
        {
          name: 'connected',
          attempt: state.attempt,
          since: now,
          heartbeat: event.heartbeat,
          nextPing: now,
          due: now,
          probe: null,
          credentials: state.credentials,
          refresh: firstRefresh(state.credentials, facts),
          error: null,
        },
        facts,
        [{ type: 'up' }],
      )
    case 'errorFrame':
      return state.name === 'greeting' || isUp(state) ? [{ ...state, error: event.error }, []] : [state, []]
    case 'authed':
      return isUp(state) ? watch(authed(state, facts), facts) : [state, []]
    case 'drain':
      if (!isUp(state)) return [state, []]
      return watch({ ...state, name: 'draining', reconnectAt: now + event.delay }, facts)
    case 'socketClosed':
      return closedByPeer(state, event.code, event.reason, facts)
    case 'garbage':
      if (state.name !== 'greeting' && !isUp(state)) return [state, []]
      return giveUp(state, CloseCode.protocolError, { code: 'invalid_frame', message: event.message }, facts)
    case 'timer':
      return elapsed(state, facts)
    case 'changeSent':
      return isUp(state) ? watch(state, { ...facts, unsaved: true }) : [state, []]
    case 'wake':
      if (isPause(state)) return hurry(state, facts)
      return isUp(state) ? probe(state, facts) : [state, []]
    case 'networkLost':
      if (state.name === 'waiting') return slowDown(state, facts)
      return isUp(state) ? probe(state, facts) : [state, []]
  }
}

const watchAfter = ([state, effects]: readonly [UpState, readonly ConnectionEffect[]], facts: Facts): Step =>
  watch(state, facts, effects)

const attempt = (number: number, since: number, { timing }: Facts): Step => [
  { name: 'authenticating', attempt: number, since },
  [{ type: 'timer', ms: timing.authTimeout }, { type: 'authenticate' }],
]

/** Leaves whatever runs. */
const end = (state: ConnectionState): ConnectionEffect[] => {
  const effects: ConnectionEffect[] = [
    { type: 'stopTimer' },
    { type: 'abandon', code: 1000, reason: 'closed by the client' },
  ]
  if (isUp(state)) effects.push({ type: 'down' })
  return effects
}

const elapsed = (state: ConnectionState, facts: Facts): Step => {
  if (isPause(state)) return attempt(state.attempt, state.since, facts)
  if (isUp(state)) return watch(state, facts)
  if (!isActive(state)) return [state, []]
  switch (state.name) {
    case 'authenticating':
      return giveUp(state, 1000, { code: 'auth_failed', message: 'auth() took too long' }, facts)
    case 'opening':
      return giveUp(
        state,
        1000,
        { code: 'connect_timeout', message: 'the socket did not open in time' },
        facts,
      )
    case 'greeting':
      return giveUp(
        state,
        CloseCode.timeout,
        { code: 'connect_timeout', message: 'no WELCOME came in time' },
        facts,
      )
  }
}

/** The next attempt comes sooner, but not before the server wants it. */
const hurry = (state: PauseState, { now, timing, random, online }: Facts): Step => {
  // A page that is looked at again without a network has nothing to try.
  if (!online) return [state, []]
  // Jittered too: a whole office gets its network back at once.
  const delay = Math.max(
    fullJitter(0, timing.retryBase, timing.retryMax, random),
    Math.max(0, state.notBefore - now),
  )
  if (state.name === 'waiting' && now + delay >= state.until) return [state, []]
  return [{ ...state, name: 'waiting', delay, until: now + delay }, [{ type: 'timer', ms: delay }]]
}

/** There is no network, it is said: the next attempt would be in vain. */
const slowDown = (state: PauseState, facts: Facts): Step => {
  const delay = Math.max(offlineDelay(facts), state.until - facts.now)
  return [{ ...state, name: 'offline', delay, until: facts.now + delay }, [{ type: 'timer', ms: delay }]]
}
