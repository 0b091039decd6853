/* The vocabulary of a connection: its states, what happens to it, and what it has done. `connection.ts` has the transitions. */

import type { CloseCode } from '@weft/protocol'

/* The close codes that the client looks at or sends, as numbers: the table of all of them stays out of a page. */
export const protocolErrorCode = 4400 satisfies typeof CloseCode.protocolError
export const tokenExpiredCode = 4407 satisfies typeof CloseCode.tokenExpired
export const timeoutCode = 4508 satisfies typeof CloseCode.timeout

/** Timeouts and retry delays, in milliseconds. */
export interface Timing {
  /** How long `auth()` may take. Default 10,000. */
  readonly authTimeout: number
  /** From opening a socket to its being open. A lost SYN otherwise hangs for minutes. Default 10,000. */
  readonly connectTimeout: number
  /** From HELLO to WELCOME, and from AUTH to AUTHED. Default 10,000. */
  readonly welcomeTimeout: number
  /** Bound of the first retry's delay; it doubles with each failure. Default 1,000. */
  readonly retryBase: number
  /** Bound of every retry's delay. Default 30,000. */
  readonly retryMax: number
  /** The same while the page is hidden, and after the server has said that it is too much. Default 120,000. */
  readonly slowRetryMax: number
  /** The longest delay while the platform says that there is no network, which is often wrong. Default 60,000. */
  readonly offlineRetry: number
  /** A connection that held this long starts its retries anew; a shorter one counts as a failure. Default 10,000. */
  readonly stableAfter: number
  /** How long the answer to a ping may take before the link is taken for dead. Default 5,000. */
  readonly probeTimeout: number
  /** While changes wait for their acknowledgement: how long the server may be silent before it is pinged. Default 2,000. */
  readonly unsavedPing: number
  /** How long before its expiry a token is replaced on the running connection; 0 for never. Default 60,000. */
  readonly refreshBefore: number
  /** How long a client may be without a connection before `lost-connection` says `lost`. Default 5,000. */
  readonly lostAfter: number
  /** How long to try before giving up: the state is then `denied`, with the code `gave_up`. Default: for ever. */
  readonly giveUpAfter: number
}

/** The timing of a client that is given none. */
export const defaultTiming: Timing = {
  authTimeout: 10_000,
  connectTimeout: 10_000,
  welcomeTimeout: 10_000,
  retryBase: 1_000,
  retryMax: 30_000,
  slowRetryMax: 120_000,
  offlineRetry: 60_000,
  stableAfter: 10_000,
  probeTimeout: 5_000,
  unsavedPing: 2_000,
  refreshBefore: 60_000,
  lostAfter: 5_000,
  giveUpAfter: Infinity,
}

/** Why a connection ended, or did not come about. */
export interface Failure {
  readonly code: string
  readonly message: string
}

/** An ERROR frame about the connection: the reason of the close that follows it. */
export interface ErrorReport extends Failure {
  readonly retryAfter: number
}

interface Attempt {
  /** Failures so far. */
  readonly attempt: number
  /** Since when there has been no connection. */
  readonly since: number
}

interface Pause extends Attempt {
  readonly delay: number
  readonly until: number
  /** The server gave the delay: hints do not shorten it. 0 when it did not. */
  readonly notBefore: number
  readonly failure: Failure
}

interface Authenticating extends Attempt {
  readonly name: 'authenticating'
}

interface Opening extends Attempt {
  readonly name: 'opening'
  readonly token: string | null
}

interface Greeting extends Attempt {
  readonly name: 'greeting'
  readonly error: ErrorReport | null
}

interface Waiting extends Pause {
  readonly name: 'waiting'
}

/** Waiting while the platform says that there is no network. */
interface Offline extends Pause {
  readonly name: 'offline'
}

interface Up {
  readonly attempt: number
  /** Since when it has been connected. */
  readonly since: number
  readonly heartbeat: number
  readonly nextPing: number
  /** When the timer fires. */
  readonly due: number
  readonly probe: Probe | null
  readonly error: ErrorReport | null
}

interface Connected extends Up {
  readonly name: 'connected'
}

/** Connected to a node that shuts down. */
interface Draining extends Up {
  readonly name: 'draining'
  readonly reconnectAt: number
}

/** A ping that has not been answered. */
export interface Probe {
  /** Messages that had arrived when it was sent. */
  readonly received: number
  /** Without another message the link is taken for dead then. */
  readonly until: number
  /** This process slept through the first: a second chance, the last one. */
  readonly second: boolean
}

export type ConnectionState =
  | { readonly name: 'idle' }
  | Authenticating
  | Opening
  | Greeting
  | Connected
  | Draining
  | Waiting
  | Offline
  | { readonly name: 'denied'; readonly failure: Failure }
  | { readonly name: 'closed' }

/** The states in which frames flow. */
export type UpState = Connected | Draining
/** The states in which an attempt runs, or a connection. */
export type ActiveState = Authenticating | Opening | Greeting | UpState
/** The states between two attempts. */
export type PauseState = Waiting | Offline

/** What happens to a connection, and what belongs to it. */
export type ConnectionEvent =
  | readonly ['connect']
  | readonly ['disconnect']
  | readonly ['close']
  | readonly ['token', token: string | null]
  | readonly ['tokenFailed', message: string]
  /** No attempt can ever succeed here: there is no WebSocket. */
  | readonly ['impossible', Failure]
  | readonly ['opened']
  | readonly ['socketClosed', code: number, reason: string]
  | readonly ['welcome', heartbeat: number]
  | readonly ['errorFrame', ErrorReport]
  /** The server sent what is no frame. */
  | readonly ['garbage', message: string]
  | readonly ['drain', delay: number]
  | readonly ['timer']
  /** A change has been sent: its author waits for the acknowledgement. */
  | readonly ['changeSent']
  /** The platform says that the network is back, the page visible again, or thawed. */
  | readonly ['wake']
  /** The platform says that the network is gone. It is often wrong. */
  | readonly ['networkLost']

/** What is to be done, and with what: the methods of who does it. */
export interface ConnectionActions {
  /** Ask for a token; answered by `token` or `tokenFailed`. */
  authenticate(): unknown
  /** Open a socket; answered by `opened`, `socketClosed` or `impossible`. */
  open(): unknown
  /** Send HELLO. */
  greet(token: string | null): unknown
  ping(): unknown
  /** Forget the running attempt: close its socket, expect nothing from it any more. */
  abandon(code: number, reason: string): unknown
  /** Start the one timer, instead of the one before. */
  timer(ms: number): unknown
  stopTimer(): unknown
  /** Frames may be sent from now on. */
  up(): unknown
  /** The connection that was up is gone. */
  down(): unknown
}

/** An action, and what it is called with. */
export type ConnectionEffect = {
  readonly [Name in keyof ConnectionActions]: readonly [Name, ...Parameters<ConnectionActions[Name]>]
}[keyof ConnectionActions]

/** What a step may know of the world. */
export interface Facts {
  readonly now: number
  readonly random: () => number
  /** When the last message arrived, or the socket opened. */
  readonly lastHeard: number
  /** How many messages have arrived. */
  readonly received: number
  readonly timing: Timing
  /** Whether asking for a token again may bring another one. */
  readonly refreshable: boolean
  /** What the platform says of the network; true where it says nothing. */
  readonly online: boolean
  /** Whether the page is hidden; false where there is none. */
  readonly hidden: boolean
  /** Changes wait for their acknowledgement. */
  readonly unsaved: boolean
  /** So much is on its way, out or in, that the answer to a ping may be late behind it. */
  readonly bulk: boolean
}

export type Step = readonly [ConnectionState, readonly ConnectionEffect[]]

export const initialState: ConnectionState = { name: 'idle' }

/** Whether frames may be sent. */
export const isUp = (state: ConnectionState): state is UpState =>
  state.name === 'connected' || state.name === 'draining'

/** Whether it waits for its next attempt. */
export const isPause = (state: ConnectionState): state is PauseState =>
  state.name === 'waiting' || state.name === 'offline'

/** Whether an attempt runs, or a connection. */
export const isActive = (state: ConnectionState): state is ActiveState =>
  isUp(state) || state.name === 'authenticating' || state.name === 'opening' || state.name === 'greeting'
