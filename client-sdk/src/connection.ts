/*
 * The life of a connection as a pure state machine: no sockets, no timers, no clock. `step` takes a state, an event and
 * the facts of the moment, and gives the next state and what is to be done. `link.ts` does it.
 *
 *   idle ──connect──► authenticating ──token──► opening ──opened──► greeting ──welcome──► connected
 *                          ▲   │                   │                   │                     │
 *                          │   └───── failure ─────┴───── failure ─────┴────── lost ─────────┤
 *                        timer                                                               │
 *                          └────────────────────────── waiting ◄─────────────────────────────┤
 *                                                      denied  ◄──── closed for good ────────┘
 *
 * `disconnect` leads to idle and `close` to closed from everywhere.
 */
import { CloseCode, retryClass } from '@weft/protocol'
import { fullJitter } from './backoff.js'

/** Timeouts and retry delays, in milliseconds. */
export interface Timing {
  /** How long `auth()` may take. Default 10,000. */
  readonly authTimeout: number
  /** From opening a socket to its being open. A lost SYN otherwise hangs for minutes. Default 10,000. */
  readonly connectTimeout: number
  /** From HELLO to WELCOME. Default 10,000. */
  readonly welcomeTimeout: number
  /** Bound of the first retry's delay; it doubles with each failure. Default 1,000. */
  readonly retryBase: number
  /** Bound of every retry's delay. Default 30,000. */
  readonly retryMax: number
  /** A connection that held this long starts its retries anew; a shorter one counts as a failure. Default 10,000. */
  readonly stableAfter: number
  /** How long an answer may take after a hint that the network has changed. Default 5,000. */
  readonly probeTimeout: number
}

export const defaultTiming: Timing = {
  authTimeout: 10_000,
  connectTimeout: 10_000,
  welcomeTimeout: 10_000,
  retryBase: 1_000,
  retryMax: 30_000,
  stableAfter: 10_000,
  probeTimeout: 5_000,
}

/** Retries after "overloaded" and "rate limited" start at this attempt: the server has said that it is too much. */
const slowAttempt = 3

/** Why a connection ended, or did not come about. */
export interface Failure {
  readonly code: string
  readonly message: string
}

export type ConnectionState =
  | { readonly name: 'idle' }
  | { readonly name: 'authenticating'; readonly attempt: number }
  | { readonly name: 'opening'; readonly attempt: number; readonly token: string | null }
  | { readonly name: 'greeting'; readonly attempt: number; readonly error: ErrorReport | null }
  | ConnectedState
  | {
      readonly name: 'waiting'
      /** Failures so far, from 1. */
      readonly attempt: number
      readonly delay: number
      readonly until: number
      /** The server gave the delay: hints do not shorten it. */
      readonly advised: boolean
      readonly failure: Failure
    }
  | { readonly name: 'denied'; readonly failure: Failure }
  | { readonly name: 'closed' }

interface ConnectedState {
  readonly name: 'connected'
  readonly attempt: number
  readonly since: number
  readonly heartbeat: number
  readonly nextPing: number
  /** Something has to be heard after `from` and before `until`, or the link is taken for dead. */
  readonly probe: { readonly from: number; readonly until: number } | null
  /** The node drains: when to reconnect. */
  readonly reconnectAt: number | null
  readonly error: ErrorReport | null
}

/** An ERROR frame about the connection: the reason of the close that follows it. */
export interface ErrorReport extends Failure {
  readonly retryAfter: number
}

export type ConnectionEvent =
  | { readonly type: 'connect' | 'disconnect' | 'close' }
  | { readonly type: 'token'; readonly token: string | null }
  | { readonly type: 'tokenFailed'; readonly message: string }
  /** No attempt can ever succeed here: there is no WebSocket. */
  | { readonly type: 'impossible'; readonly failure: Failure }
  | { readonly type: 'opened' }
  | { readonly type: 'socketClosed'; readonly code: number; readonly reason: string }
  | { readonly type: 'welcome'; readonly heartbeat: number }
  | { readonly type: 'errorFrame'; readonly error: ErrorReport }
  /** The server sent what is no frame. */
  | { readonly type: 'garbage'; readonly message: string }
  | { readonly type: 'drain'; readonly delay: number }
  | { readonly type: 'timer' }
  /** The platform says that the network is back, or the page visible again. */
  | { readonly type: 'wake' }
  /** The platform says that the network is gone. It is often wrong. */
  | { readonly type: 'networkLost' }

export type ConnectionEffect =
  /** Ask for a token; answered by `token` or `tokenFailed`. */
  | { readonly type: 'authenticate' }
  /** Open a socket; answered by `opened`, `socketClosed` or `impossible`. */
  | { readonly type: 'open' }
  /** Send HELLO. */
  | { readonly type: 'greet'; readonly token: string | null }
  | { readonly type: 'ping' }
  /** Forget the running attempt: close its socket, expect nothing from it any more. */
  | { readonly type: 'abandon'; readonly code: number; readonly reason: string }
  /** Start the one timer, instead of the one before. */
  | { readonly type: 'timer'; readonly ms: number }
  | { readonly type: 'stopTimer' }
  /** Frames may be sent from now on. */
  | { readonly type: 'up' }
  /** The connection that was up is gone. */
  | { readonly type: 'down' }

/** What a step may know of the world. */
export interface Facts {
  readonly now: number
  readonly random: () => number
  /** When the last message arrived. */
  readonly lastHeard: number
  readonly timing: Timing
  /** Whether asking for a token again may bring another one. */
  readonly refreshable: boolean
}

export type Step = readonly [ConnectionState, readonly ConnectionEffect[]]

export const initialState: ConnectionState = { name: 'idle' }

/** One transition. An event that means nothing in a state leaves it as it is. */
export const step = (state: ConnectionState, event: ConnectionEvent, facts: Facts): Step => {
  const { timing } = facts
  if (state.name === 'closed') return [state, []]
  switch (event.type) {
    case 'close':
      return [{ name: 'closed' }, end(state)]
    case 'disconnect':
      return state.name === 'idle' ? [state, []] : [{ name: 'idle' }, end(state)]
    case 'connect':
      if (state.name === 'idle' || state.name === 'denied') return attempt(0, timing)
      return state.name === 'waiting' ? attempt(state.attempt, timing) : [state, []]
    case 'token':
      if (state.name !== 'authenticating') return [state, []]
      return [
        { name: 'opening', attempt: state.attempt, token: event.token },
        [{ type: 'timer', ms: timing.connectTimeout }, { type: 'open' }],
      ]
    case 'tokenFailed':
      if (state.name !== 'authenticating') return [state, []]
      return retry(state, { code: 'auth_failed', message: event.message }, facts)
    case 'impossible':
      return state.name === 'opening'
        ? [{ name: 'denied', failure: event.failure }, [{ type: 'stopTimer' }]]
        : [state, []]
    case 'opened':
      if (state.name !== 'opening') return [state, []]
      return [
        { name: 'greeting', attempt: state.attempt, error: null },
        [
          { type: 'timer', ms: timing.welcomeTimeout },
          { type: 'greet', token: state.token },
        ],
      ]
    case 'welcome':
      if (state.name !== 'greeting') return [state, []]
      return watch(
        {
          name: 'connected',
          attempt: state.attempt,
          since: facts.now,
          heartbeat: event.heartbeat,
          nextPing: facts.now,
          probe: null,
          reconnectAt: null,
          error: null,
        },
        facts,
        [{ type: 'up' }],
      )
    case 'errorFrame':
      return state.name === 'greeting' || state.name === 'connected'
        ? [{ ...state, error: event.error }, []]
        : [state, []]
    case 'drain':
      if (state.name !== 'connected') return [state, []]
      return watch({ ...state, reconnectAt: facts.now + event.delay }, facts)
    case 'socketClosed':
      return closedByPeer(state, event.code, event.reason, facts)
    case 'garbage':
      if (state.name !== 'greeting' && state.name !== 'connected') return [state, []]
      return giveUp(state, CloseCode.protocolError, { code: 'invalid_frame', message: event.message }, facts)
    case 'timer':
      return elapsed(state, facts)
    case 'wake':
      if (state.name === 'waiting' && !state.advised) {
        // Jittered too: a whole office gets its network back at once.
        const delay = fullJitter(0, timing.retryBase, timing.retryMax, facts.random)
        if (facts.now + delay >= state.until) return [state, []]
        return [{ ...state, delay, until: facts.now + delay }, [{ type: 'timer', ms: delay }]]
      }
      return state.name === 'connected' ? probe(state, facts) : [state, []]
    case 'networkLost':
      return state.name === 'connected' ? probe(state, facts) : [state, []]
  }
}

const attempt = (number: number, timing: Timing): Step => [
  { name: 'authenticating', attempt: number },
  [{ type: 'timer', ms: timing.authTimeout }, { type: 'authenticate' }],
]

/** Leaves whatever runs. */
const end = (state: ConnectionState): ConnectionEffect[] => {
  const effects: ConnectionEffect[] = [
    { type: 'stopTimer' },
    { type: 'abandon', code: 1000, reason: 'closed by the client' },
  ]
  if (state.name === 'connected') effects.push({ type: 'down' })
  return effects
}

const elapsed = (state: ConnectionState, facts: Facts): Step => {
  switch (state.name) {
    case 'waiting':
      return attempt(state.attempt, facts.timing)
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
    case 'connected':
      return watch(state, facts)
    case 'idle':
    case 'denied':
    case 'closed':
      return [state, []]
  }
}

/** While connected: notices a dead link, pings, leaves a draining node, and sets the timer for the next of these. */
const watch = (state: ConnectedState, facts: Facts, before: readonly ConnectionEffect[] = []): Step => {
  const { now, lastHeard } = facts
  const answered = state.probe !== null && lastHeard > state.probe.from
  const probing = answered ? null : state.probe
  const deadline = Math.min(lastHeard + 2 * state.heartbeat, probing?.until ?? Infinity)
  if (now >= deadline) {
    return giveUp(
      state,
      CloseCode.timeout,
      { code: 'heartbeat_timeout', message: 'the server fell silent' },
      facts,
    )
  }
  if (state.reconnectAt !== null && now >= state.reconnectAt) {
    return giveUp(state, 1000, { code: 'draining', message: 'the node is shutting down' }, facts)
  }
  const due = now >= state.nextPing
  const nextPing = due ? now + state.heartbeat : state.nextPing
  const wakeAt = Math.min(deadline, nextPing, state.reconnectAt ?? Infinity)
  const effects: ConnectionEffect[] = [...before]
  if (due) effects.push({ type: 'ping' })
  effects.push({ type: 'timer', ms: Math.max(1, wakeAt - now) })
  return [{ ...state, probe: probing, nextPing }, effects]
}

const probe = (state: ConnectedState, facts: Facts): Step => {
  if (state.probe !== null) return [state, []]
  const asked = { from: facts.now, until: facts.now + facts.timing.probeTimeout }
  return watch({ ...state, probe: asked, nextPing: facts.now }, facts)
}

const closedByPeer = (state: ConnectionState, code: number, reason: string, facts: Facts): Step => {
  if (state.name !== 'opening' && state.name !== 'greeting' && state.name !== 'connected') return [state, []]
  const error = state.name === 'opening' ? null : state.error
  const failure: Failure = {
    code: error?.code ?? nameOf(code),
    message: error?.message ?? (reason === '' ? `the connection was closed (${code})` : reason),
  }
  const renewable = code === CloseCode.tokenExpired && facts.refreshable
  if (retryClass(code) === 'permanent' && !renewable) {
    const down: ConnectionEffect[] = state.name === 'connected' ? [{ type: 'down' }] : []
    return [
      { name: 'denied', failure },
      [{ type: 'stopTimer' }, { type: 'abandon', code: 1000, reason: '' }, ...down],
    ]
  }
  return retry(state, failure, facts, code)
}

/** Closes what runs and tries again later. */
const giveUp = (
  state: Exclude<ConnectionState, { name: 'idle' | 'waiting' | 'denied' | 'closed' }>,
  code: number,
  failure: Failure,
  facts: Facts,
): Step => {
  const [next, effects] = retry(state, failure, facts)
  const rest = effects.filter((effect) => effect.type !== 'abandon')
  return [next, [{ type: 'abandon', code, reason: failure.message }, ...rest]]
}

const retry = (
  state: Exclude<ConnectionState, { name: 'idle' | 'waiting' | 'denied' | 'closed' }>,
  failure: Failure,
  facts: Facts,
  closeCode = 0,
): Step => {
  const { now, timing, random } = facts
  const lasted = state.name === 'connected' && now - state.since >= timing.stableAfter
  let failures = lasted ? 0 : state.attempt
  if (closeCode === CloseCode.overloaded || closeCode === CloseCode.rateLimited)
    failures = Math.max(failures, slowAttempt)
  const reconnectAt = state.name === 'connected' ? state.reconnectAt : null
  const retryAfter =
    state.name === 'connected' || state.name === 'greeting' ? (state.error?.retryAfter ?? 0) : 0
  let delay = retryAfter + fullJitter(failures, timing.retryBase, timing.retryMax, random)
  // The server has spread these delays over its clients: no jitter on top.
  if (reconnectAt !== null) delay = Math.max(0, reconnectAt - now)
  const effects: ConnectionEffect[] = [{ type: 'abandon', code: 1000, reason: '' }]
  if (state.name === 'connected') effects.push({ type: 'down' })
  effects.push({ type: 'timer', ms: delay })
  const advised = reconnectAt !== null || retryAfter > 0
  return [{ name: 'waiting', attempt: failures + 1, delay, until: now + delay, advised, failure }, effects]
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
