import { CloseCode } from '@weft/protocol'
import { describe, expect, test } from 'vitest'
import fc from 'fast-check'
import {
  defaultTiming,
  step,
  type ConnectionEvent,
  type ConnectionState,
  type Facts,
  type Step,
} from './connection.js'

const facts = (over: Partial<Facts> = {}): Facts => ({
  now: 100_000,
  random: () => 0.5,
  lastHeard: 100_000,
  timing: defaultTiming,
  refreshable: true,
  ...over,
})

const failure = { code: 'connection_lost', message: '' }
const idle: ConnectionState = { name: 'idle' }
const authenticating: ConnectionState = { name: 'authenticating', attempt: 0 }
const opening: ConnectionState = { name: 'opening', attempt: 0, token: 't' }
const greeting: ConnectionState = { name: 'greeting', attempt: 0, error: null }
const waiting: ConnectionState = {
  name: 'waiting',
  attempt: 4,
  delay: 9_000,
  until: 109_000,
  advised: false,
  failure,
}
const connected: Extract<ConnectionState, { name: 'connected' }> = {
  name: 'connected',
  attempt: 3,
  since: 99_000,
  heartbeat: 10_000,
  nextPing: 105_000,
  probe: null,
  reconnectAt: null,
  error: null,
}
const denied: ConnectionState = { name: 'denied', failure }
const closed: ConnectionState = { name: 'closed' }
const all = [idle, authenticating, opening, greeting, connected, waiting, denied, closed]

const kinds = ([, effects]: Step): string[] => effects.map((effect) => effect.type)
const lost = (code: number): ConnectionEvent => ({ type: 'socketClosed', code, reason: '' })

describe('transitions', () => {
  const table: [string, ConnectionState, ConnectionEvent, ConnectionState['name'], string[]][] = [
    ['connects', idle, { type: 'connect' }, 'authenticating', ['timer', 'authenticate']],
    ['connects out of a wait', waiting, { type: 'connect' }, 'authenticating', ['timer', 'authenticate']],
    ['connects after a denial', denied, { type: 'connect' }, 'authenticating', ['timer', 'authenticate']],
    ['ignores a second connect', opening, { type: 'connect' }, 'opening', []],
    ['opens with a token', authenticating, { type: 'token', token: 't' }, 'opening', ['timer', 'open']],
    ['retries auth()', authenticating, { type: 'tokenFailed', message: '' }, 'waiting', ['abandon', 'timer']],
    ['gives up on a slow auth()', authenticating, { type: 'timer' }, 'waiting', ['abandon', 'timer']],
    ['says HELLO', opening, { type: 'opened' }, 'greeting', ['timer', 'greet']],
    ['gives up on a slow socket', opening, { type: 'timer' }, 'waiting', ['abandon', 'timer']],
    ['retries a failed socket', opening, lost(1006), 'waiting', ['abandon', 'timer']],
    ['has no WebSocket', opening, { type: 'impossible', failure }, 'denied', ['stopTimer']],
    ['is welcome', greeting, { type: 'welcome', heartbeat: 10_000 }, 'connected', ['up', 'ping', 'timer']],
    ['gives up without WELCOME (P7)', greeting, { type: 'timer' }, 'waiting', ['abandon', 'timer']],
    ['is unauthorized (P8)', greeting, lost(CloseCode.unauthorized), 'denied', ['stopTimer', 'abandon']],
    ['renews a token (P9)', greeting, lost(CloseCode.tokenExpired), 'waiting', ['abandon', 'timer']],
    ['lost', connected, lost(1006), 'waiting', ['abandon', 'down', 'timer']],
    ['lost for good', connected, lost(4410), 'denied', ['stopTimer', 'abandon', 'down']],
    [
      'hears garbage (P3)',
      connected,
      { type: 'garbage', message: '' },
      'waiting',
      ['abandon', 'down', 'timer'],
    ],
    ['probes on a hint', connected, { type: 'networkLost' }, 'connected', ['ping', 'timer']],
    ['hurries on a hint', waiting, { type: 'wake' }, 'waiting', ['timer']],
    ['tries again', waiting, { type: 'timer' }, 'authenticating', ['timer', 'authenticate']],
    ['disconnects', connected, { type: 'disconnect' }, 'idle', ['stopTimer', 'abandon', 'down']],
    ['disconnects while waiting', waiting, { type: 'disconnect' }, 'idle', ['stopTimer', 'abandon']],
    ['closes', connected, { type: 'close' }, 'closed', ['stopTimer', 'abandon', 'down']],
    ['stays closed', closed, { type: 'connect' }, 'closed', []],
  ]
  test.each(table)('%s', (_, state, event, name, effects) => {
    const taken = step(state, event, facts())
    expect(taken[0].name).toBe(name)
    expect(kinds(taken)).toEqual(effects)
  })

  test('an answer that comes too late changes nothing', () => {
    const answers: ConnectionEvent[] = [{ type: 'token', token: null }, { type: 'opened' }, lost(1006)]
    for (const state of [idle, waiting, denied, closed]) {
      for (const event of answers) expect(step(state, event, facts())).toEqual([state, []])
    }
  })

  test('no event in any state breaks the rules: one timer, down after up, nothing after closed', () => {
    const event = fc.oneof(
      fc.constantFrom<ConnectionEvent>(
        { type: 'connect' },
        { type: 'disconnect' },
        { type: 'token', token: null },
        { type: 'tokenFailed', message: '' },
        { type: 'opened' },
        { type: 'welcome', heartbeat: 5_000 },
        { type: 'timer' },
        { type: 'wake' },
        { type: 'networkLost' },
        { type: 'garbage', message: '' },
        { type: 'errorFrame', error: { code: 'overloaded', message: '', retryAfter: 50 } },
      ),
      fc.integer({ min: 4400, max: 4530 }).map(lost),
      fc.nat(5_000).map((delay): ConnectionEvent => ({ type: 'drain', delay })),
    )
    fc.assert(
      fc.property(fc.array(fc.tuple(event, fc.nat(8_000)), { maxLength: 60 }), (events) => {
        let state: ConnectionState = idle
        let timer = false
        let up = false
        let now = 0
        for (const [next, passed] of events) {
          now += passed
          if (next.type === 'timer') {
            if (!timer) continue
            timer = false
          }
          const [after, effects] = step(state, next, facts({ now, lastHeard: now - 1 }))
          for (const effect of effects) {
            if (effect.type === 'timer') timer = true
            if (effect.type === 'stopTimer') timer = false
            if (effect.type === 'up') {
              expect(up).toBe(false)
              up = true
            }
            if (effect.type === 'down') {
              expect(up).toBe(true)
              up = false
            }
          }
          state = after
          expect(up).toBe(state.name === 'connected')
          // Whatever waits for something has a timer: nothing hangs for ever.
          expect(timer).toBe(!['idle', 'denied', 'closed'].includes(state.name))
        }
      }),
    )
  })
})

describe('retries', () => {
  const delayOf = (taken: Step): number => (taken[0].name === 'waiting' ? taken[0].delay : NaN)

  test('full jitter from the first retry, doubling to the bound', () => {
    for (const [attempt, bound] of [
      [0, 1_000],
      [1, 2_000],
      [4, 16_000],
      [5, 30_000],
      [90, 30_000],
    ] as const) {
      const from: ConnectionState = { name: 'opening', attempt, token: null }
      expect(delayOf(step(from, lost(1006), facts({ random: () => 0 })))).toBe(0)
      expect(delayOf(step(from, lost(1006), facts({ random: () => 0.999 })))).toBeCloseTo(bound * 0.999, -1)
    }
  })

  test('a connection that did not last counts as a failure, one that did starts anew', () => {
    expect(step(connected, lost(1006), facts())[0]).toMatchObject({ attempt: 4 })
    expect(step({ ...connected, since: 80_000 }, lost(1006), facts())[0]).toMatchObject({ attempt: 1 })
  })

  test('overloaded and rate limited are retried more slowly', () => {
    expect(delayOf(step(greeting, lost(CloseCode.overloaded), facts()))).toBe(4_000)
    expect(delayOf(step(greeting, lost(CloseCode.rateLimited), facts()))).toBe(4_000)
  })

  test('an expired token that cannot be renewed is a denial (4407)', () => {
    expect(step(greeting, lost(CloseCode.tokenExpired), facts({ refreshable: false }))[0].name).toBe('denied')
  })

  test('the ERROR before a close is its reason, and its retryAfter is kept', () => {
    const error = { code: 'overloaded', message: 'come back later', retryAfter: 7_000 }
    const [told] = step(greeting, { type: 'errorFrame', error }, facts())
    const [after] = step(told, lost(1006), facts())
    expect(after).toMatchObject({ delay: 7_500, advised: true, failure: { code: 'overloaded' } })
    expect(step(after, { type: 'wake' }, facts())).toEqual([after, []])
  })

  test('DRAIN: reconnects after the delay, whether the node closes or not (P11)', () => {
    const [draining] = step(connected, { type: 'drain', delay: 3_000 }, facts())
    expect(draining.name).toBe('connected')
    expect(delayOf(step(draining, lost(CloseCode.draining), facts({ now: 101_000 })))).toBe(2_000)
    expect(delayOf(step(draining, { type: 'timer' }, facts({ now: 103_000, lastHeard: 103_000 })))).toBe(0)
  })
})

describe('heartbeats (P10)', () => {
  test('pings once a heartbeat', () => {
    const early = step(connected, { type: 'timer' }, facts({ now: 104_000 }))
    expect(kinds(early)).toEqual(['timer'])
    const due = step(connected, { type: 'timer' }, facts({ now: 105_000 }))
    expect(kinds(due)).toEqual(['ping', 'timer'])
  })

  test('gives up after two heartbeats of silence, not before', () => {
    const at = (now: number): string =>
      step(connected, { type: 'timer' }, facts({ now, lastHeard: 90_000 }))[0].name
    expect(at(109_999)).toBe('connected')
    expect(at(110_000)).toBe('waiting')
  })

  test('a hint is answered by a probe: an answer in time, or a new connection', () => {
    const [probing] = step(connected, { type: 'networkLost' }, facts())
    const silent = facts({ now: 105_000, lastHeard: 99_999 })
    expect(step(probing, { type: 'timer' }, silent)[0].name).toBe('waiting')
    const answered = facts({ now: 105_000, lastHeard: 100_200 })
    expect(step(probing, { type: 'timer' }, answered)[0]).toMatchObject({ name: 'connected', probe: null })
  })
})

test('every state takes `close`', () => {
  for (const state of all) expect(step(state, { type: 'close' }, facts())[0].name).toBe('closed')
})
