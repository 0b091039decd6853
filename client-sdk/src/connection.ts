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
import { fullJitter } from './backoff.js'
import { protocolErrorCode, timeoutCode, isActive, isPause, isUp } from './connection-states.js'
import type {
  ActiveState,
  ConnectionEvent,
  ConnectionState,
  Facts,
  PauseState,
  Step,
} from './connection-states.js'
import { probe, watch } from './heartbeat.js'
import { closedByPeer, deny, leave, offlineDelay, retry } from './retry.js'

/** One transition. An event that means nothing in a state leaves it as it is. */
export const step = (state: ConnectionState, event: ConnectionEvent, facts: Facts): Step =>
  (state.name === 'closed' ? null : transition(state, event, facts)) ?? [state, []]

const transition = (state: ConnectionState, event: ConnectionEvent, facts: Facts): Step | null => {
  const { timing, now } = facts
  const up = isUp(state) ? state : null
  switch (event[0]) {
    case 'close':
      return leave(state, { name: 'closed' }, null, byClient)
    case 'disconnect':
      return state.name === 'idle' ? null : leave(state, { name: 'idle' }, null, byClient)
    case 'connect':
      if (state.name === 'idle' || state.name === 'denied') return attempt(0, now, facts)
      return isPause(state) ? attempt(state.attempt, state.since, facts) : null
    case 'token':
      if (state.name !== 'authenticating') return null
      return [{ ...state, name: 'opening', token: event[1] }, [['timer', timing.connectTimeout], ['open']]]
    case 'tokenFailed':
      if (state.name !== 'authenticating') return null
      return retry(state, { code: 'auth_failed', message: event[1] }, facts)
    case 'impossible':
      return state.name === 'opening' ? deny(state, event[1]) : null
    case 'opened':
      if (state.name !== 'opening') return null
      return [
        { ...state, name: 'greeting', error: null },
        [
          ['timer', timing.welcomeTimeout],
          ['greet', state.token],
        ],
      ]
    case 'welcome':
      if (state.name !== 'greeting') return null
      return watch(
        {
          ...state,
          name: 'connected',
          since: now,
          heartbeat: event[1],
          nextPing: now,
          due: now,
          probe: null,
          error: null,
        },
        facts,
        [['up']],
      )
    case 'errorFrame':
      return state.name === 'greeting' || up ? [{ ...state, error: event[1] } as ActiveState, []] : null
    case 'drain':
      return up && watch({ ...up, name: 'draining', reconnectAt: now + event[1] }, facts)
    case 'socketClosed':
      return closedByPeer(state, event[1], event[2], facts)
    case 'garbage':
      if (state.name !== 'greeting' && !isUp(state)) return null
      return retry(state, { code: 'invalid_frame', message: event[1] }, facts, protocolErrorCode)
    case 'timer':
      return elapsed(state, facts)
    case 'changeSent':
      return up && watch(up, { ...facts, unsaved: true })
    case 'wake':
      return isPause(state) ? hurry(state, facts) : up && probe(up, facts)
    case 'networkLost':
      return state.name === 'waiting' ? slowDown(state, facts) : up && probe(up, facts)
  }
}

const byClient = 'closed by the client'

const attempt = (failures: number, since: number, { timing }: Facts): Step => [
  { name: 'authenticating', attempt: failures, since },
  [['timer', timing.authTimeout], ['authenticate']],
]

const waitedFor = { authenticating: 'auth()', opening: 'the socket', greeting: 'WELCOME' }

const elapsed = (state: ConnectionState, facts: Facts): Step | null => {
  if (isPause(state)) return attempt(state.attempt, state.since, facts)
  if (isUp(state)) return watch(state, facts)
  if (!isActive(state)) return null
  const code = state.name === 'authenticating' ? 'auth_failed' : 'connect_timeout'
  const message = `${waitedFor[state.name]} took too long`
  return retry(state, { code, message }, facts, state.name === 'greeting' ? timeoutCode : 1000)
}

/** Waits otherwise than before. */
const wait = (state: PauseState, name: PauseState['name'], delay: number, { now }: Facts): Step => [
  { ...state, name, delay, until: now + delay },
  [['timer', delay]],
]

/** The next attempt comes sooner, but not before the server wants it. */
const hurry = (state: PauseState, facts: Facts): Step | null => {
  const { now, timing, random, online } = facts
  // Jittered too: a whole office gets its network back at once.
  const delay = Math.max(fullJitter(0, timing.retryBase, timing.retryMax, random), state.notBefore - now)
  // A page that is looked at again without a network has nothing to try.
  if (!online || (state.name === 'waiting' && now + delay >= state.until)) return null
  return wait(state, 'waiting', delay, facts)
}

/** There is no network, it is said: the next attempt would be in vain. */
const slowDown = (state: PauseState, facts: Facts): Step =>
  wait(state, 'offline', Math.max(offlineDelay(facts), state.until - facts.now), facts)
