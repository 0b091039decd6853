/*
 * Heartbeats (P10), as seen by the client. A ping has to be answered, by anything, within `probeTimeout`: a dead link is
 * noticed that long after the next ping, which comes every heartbeat, and `unsavedPing` after the last message while
 * changes wait for their acknowledgement.
 */
import { timeoutCode } from './connection-states.js'
import type { ConnectionEffect, Facts, Probe, Step, UpState } from './connection-states.js'
import { retry } from './retry.js'

/** A timer this late, in milliseconds, tells that the process slept: silence is not the link's fault then. */
const lateness = 1_000

/** While connected: notices a dead link, pings, leaves a draining node, and sets the timer for the next. */
export const watch = (state: UpState, facts: Facts, before: readonly ConnectionEffect[] = []): Step => {
  const { now, timing } = facts
  const effects: ConnectionEffect[] = [...before]
  let asked = state.probe && facts.received > state.probe.received ? null : state.probe
  let { nextPing } = state
  const ping = (second: boolean): void => {
    effects.push(['ping'])
    nextPing = now + state.heartbeat
    if (second || !asked || facts.bulk) {
      asked = { received: facts.received, until: now + timing.probeTimeout, second }
    }
  }

  if (now >= deadline(asked, state.heartbeat, facts)) {
    if (now - state.due < lateness || asked?.second === true) {
      return retry(
        state,
        { code: 'heartbeat_timeout', message: 'the server fell silent' },
        facts,
        timeoutCode,
      )
    }
    ping(true)
  }
  if (state.name === 'draining' && now >= state.reconnectAt) {
    return retry(state, { code: 'draining', message: 'the node is shutting down' }, facts)
  }
  const quiet = facts.lastHeard + timing.unsavedPing
  if (now >= nextPing || (facts.unsaved && !asked && now >= quiet)) ping(false)

  let due = Math.min(deadline(asked, state.heartbeat, facts), nextPing)
  // An answer starts no step of its own: with changes in hand it is looked for early.
  if (facts.unsaved) due = Math.min(due, asked ? now + timing.unsavedPing : quiet)
  if (state.name === 'draining') due = Math.min(due, state.reconnectAt)
  due = Math.max(now + 1, due)
  effects.push(['timer', due - now])
  return [{ ...state, probe: asked, nextPing, due }, effects]
}

/** A hint that something has changed: an answer in time, or a new connection. */
export const probe = (state: UpState, facts: Facts): Step | null =>
  // One that is not answered is enough.
  facts.received === state.probe?.received ? null : watch({ ...state, nextPing: facts.now }, facts)

const deadline = (asked: Probe | null, heartbeat: number, { lastHeard, bulk }: Facts): number => {
  if (asked?.second === true) return asked.until
  const silence = lastHeard + 2 * heartbeat
  // Behind a large update, or the state of a large room, an answer takes as long as those do.
  return !asked || bulk ? silence : Math.min(silence, asked.until)
}
