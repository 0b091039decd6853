import { readFileSync } from 'node:fs'
import { CloseCode } from '@weft/protocol'
import { describe, expect, test } from 'vitest'
import fc from 'fast-check'
import { connectionInfo } from './connection-info.js'
import {
  defaultTiming,
  isUp,
  type ConnectionEvent,
  type ConnectionState,
  type Facts,
  type Step,
} from './connection-states.js'
import { step } from './connection.js'

const facts = (over: Partial<Facts> = {}): Facts => ({
  now: 100_000,
  random: () => 0.5,
  lastHeard: 100_000,
  received: 10,
  timing: defaultTiming,
  refreshable: true,
  online: true,
  hidden: false,
  unsaved: false,
  bulk: false,
  ...over,
})

const failure = { code: 'connection_lost', message: '' }
const greeting = { name: 'greeting', attempt: 0, since: 99_000, error: null } as const
const opening = { name: 'opening', attempt: 0, since: 99_000, token: 't' } as const
const pause = { attempt: 4, since: 90_000, delay: 9_000, until: 109_000, notBefore: 0, failure } as const
const connected = {
  name: 'connected',
  attempt: 3,
  since: 99_000,
  heartbeat: 10_000,
  nextPing: 105_000,
  due: 105_000,
  probe: null,
  error: null,
} as const
/** Tests of what is not about the clock being late: the timer fires when it is due. */
const dueAt = (now: number): ConnectionState => ({ ...connected, due: now })

const states: { readonly [Name in ConnectionState['name']]: Extract<ConnectionState, { name: Name }> } = {
  idle: { name: 'idle' },
  authenticating: { name: 'authenticating', attempt: 0, since: 99_000 },
  opening,
  greeting,
  connected,
  draining: { ...connected, name: 'draining', reconnectAt: 130_000 },
  waiting: { name: 'waiting', ...pause },
  offline: { name: 'offline', ...pause },
  denied: { name: 'denied', failure },
  closed: { name: 'closed' },
}

const kinds = ([, effects]: Step): string[] => effects.map(([name]) => name)
const lost = (code: number): ConnectionEvent => ['socketClosed', code, '']

const events: {
  readonly [Type in ConnectionEvent[0]]: Extract<ConnectionEvent, readonly [Type, ...unknown[]]>
} = {
  connect: ['connect'],
  disconnect: ['disconnect'],
  close: ['close'],
  token: ['token', 't'],
  tokenFailed: ['tokenFailed', ''],
  impossible: ['impossible', failure],
  opened: ['opened'],
  socketClosed: ['socketClosed', 1006, ''],
  welcome: ['welcome', 10_000],
  errorFrame: ['errorFrame', { code: 'overloaded', message: '', retryAfter: 50 }],
  garbage: ['garbage', ''],
  drain: ['drain', 3_000],
  timer: ['timer'],
  changeSent: ['changeSent'],
  wake: ['wake'],
  networkLost: ['networkLost'],
}

/** What else a row may say of the moment, after its event. */
const circumstances: Readonly<Record<string, { facts?: Partial<Facts>; event?: ConnectionEvent }>> = {
  '(4401)': { event: lost(CloseCode.unauthorized) },
  '(4407)': { event: lost(CloseCode.tokenExpired) },
  '(4407 again)': { event: lost(CloseCode.tokenExpired), facts: { refreshable: false } },
  '(4501)': { event: lost(CloseCode.draining) },
  '(no network)': { facts: { online: false } },
  '(too long)': { facts: { timing: { ...defaultTiming, giveUpAfter: 500 } } },
  '(silence)': { facts: { now: 105_500, lastHeard: 80_000 } },
  '(reconnect)': { facts: { now: 130_000, lastHeard: 129_000 } },
}

/* Every state and every event. `=`: the event means nothing there, the state stays as it is, and nothing is done. */
const table = `
event                       | idle           | authenticating | opening  | greeting  | connected | draining | waiting        | offline        | denied         | closed
connect                     | authenticating | =              | =        | =         | =         | =        | authenticating | authenticating | authenticating | =
disconnect                  | =              | idle           | idle     | idle      | idle      | idle     | idle           | idle           | idle           | =
close                       | closed         | closed         | closed   | closed    | closed    | closed   | closed         | closed         | closed         | =
token                       | =              | opening        | =        | =         | =         | =        | =              | =              | =              | =
tokenFailed                 | =              | waiting        | =        | =         | =         | =        | =              | =              | =              | =
tokenFailed (no network)    | =              | offline        | =        | =         | =         | =        | =              | =              | =              | =
tokenFailed (too long)      | =              | denied         | =        | =         | =         | =        | =              | =              | =              | =
impossible                  | =              | =              | denied   | =         | =         | =        | =              | =              | =              | =
opened                      | =              | =              | greeting | =         | =         | =        | =              | =              | =              | =
socketClosed                | =              | =              | waiting  | waiting   | waiting   | waiting  | =              | =              | =              | =
socketClosed (no network)   | =              | =              | offline  | offline   | offline   | offline  | =              | =              | =              | =
socketClosed (too long)     | =              | =              | denied   | denied    | waiting   | waiting  | =              | =              | =              | =
socketClosed (4401)         | =              | =              | denied   | denied    | denied    | denied   | =              | =              | =              | =
socketClosed (4407)         | =              | =              | waiting  | waiting   | waiting   | waiting  | =              | =              | =              | =
socketClosed (4407 again)   | =              | =              | denied   | denied    | denied    | denied   | =              | =              | =              | =
socketClosed (4501)         | =              | =              | waiting  | waiting   | waiting   | waiting  | =              | =              | =              | =
welcome                     | =              | =              | =        | connected | =         | =        | =              | =              | =              | =
errorFrame                  | =              | =              | =        | greeting  | connected | draining | =              | =              | =              | =
garbage                     | =              | =              | =        | waiting   | waiting   | waiting  | =              | =              | =              | =
garbage (no network)        | =              | =              | =        | offline   | offline   | offline  | =              | =              | =              | =
drain                       | =              | =              | =        | =         | draining  | draining | =              | =              | =              | =
timer                       | =              | waiting        | waiting  | waiting   | connected | draining | authenticating | authenticating | =              | =
timer (no network)          | =              | offline        | offline  | offline   | connected | draining | authenticating | authenticating | =              | =
timer (too long)            | =              | denied         | denied   | denied    | connected | draining | authenticating | authenticating | =              | =
timer (silence)             | =              | waiting        | waiting  | waiting   | waiting   | waiting  | authenticating | authenticating | =              | =
timer (reconnect)           | =              | waiting        | waiting  | waiting   | connected | waiting  | authenticating | authenticating | =              | =
changeSent                  | =              | =              | =        | =         | connected | draining | =              | =              | =              | =
wake                        | =              | =              | =        | =         | connected | draining | waiting        | waiting        | =              | =
wake (no network)           | =              | =              | =        | =         | connected | draining | =              | =              | =              | =
networkLost                 | =              | =              | =        | =         | connected | draining | offline        | =              | =              | =
`
  .trim()
  .split('\n')
  .map((line) => line.split('|').map((cell) => cell.trim()))

const [header = [], ...rows] = table
const stateNames = Object.keys(states) as ConnectionState['name'][]
const eventTypes = Object.keys(events) as ConnectionEvent[0][]

const run = (row: string, name: ConnectionState['name']): { before: ConnectionState; taken: Step } => {
  const type = eventTypes.find((each) => row === each || row.startsWith(`${each} (`))
  if (type === undefined) throw new Error(`the row '${row}' is of no event`)
  const circumstance = row === type ? {} : circumstances[row.slice(type.length + 1)]
  if (circumstance === undefined) throw new Error(`the row '${row}' is of no circumstance`)
  const before = states[name]
  return { before, taken: step(before, circumstance.event ?? events[type], facts(circumstance.facts)) }
}

describe('transitions', () => {
  test('the table has every state and every event', () => {
    expect(header.slice(1)).toEqual(stateNames)
    const named = rows.map(([row = '']) => row)
    for (const type of eventTypes) expect(named, `a row for ${type}`).toContain(type)
    for (const row of rows)
      expect(row, `a cell for each state: ${row[0]}`).toHaveLength(stateNames.length + 1)
  })

  test.each(rows.map((cells) => [cells[0] ?? '', cells.slice(1)] as const))('%s', (row, cells) => {
    stateNames.forEach((name, i) => {
      const { before, taken } = run(row, name)
      if (cells[i] === '=') expect(taken, `${row} in ${name}`).toEqual([before, []])
      else expect(taken[0].name, `${row} in ${name}`).toBe(cells[i])
    })
  })

  test('the README draws these transitions, and no others', () => {
    const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
    const drawn = [...readme.matchAll(/^ +(\w+) --> (\w+) *:/gm)].map(([, from, to]) => `${from} ${to}`)
    const publicName = (state: ConnectionState): string => connectionInfo(state, (time) => time).status
    const taken = new Set<string>()
    for (const [row = ''] of rows) {
      for (const name of stateNames) {
        const { before, taken: after } = run(row, name)
        const [from, to] = [publicName(before), publicName(after[0])]
        // From everywhere, as the text beside the diagram says.
        if (from !== to && to !== 'idle' && to !== 'closed') taken.add(`${from} ${to}`)
      }
    }
    expect([...new Set(drawn)].sort()).toEqual([...taken].sort())
  })

  const effects: [string, ConnectionState, ConnectionEvent, string[]][] = [
    ['connects', states.idle, events.connect, ['timer', 'authenticate']],
    ['opens with a token', states.authenticating, events.token, ['timer', 'open']],
    ['says HELLO', opening, events.opened, ['timer', 'greet']],
    ['is welcome', greeting, events.welcome, ['up', 'ping', 'timer']],
    ['is refused', greeting, lost(CloseCode.unauthorized), ['stopTimer', 'abandon']],
    ['is lost', connected, lost(1006), ['timer', 'abandon', 'down']],
    ['is lost for good', connected, lost(4410), ['stopTimer', 'abandon', 'down']],
    ['hears garbage (P3)', connected, events.garbage, ['timer', 'abandon', 'down']],
    ['probes on a hint', connected, events.networkLost, ['ping', 'timer']],
    ['disconnects', connected, events.disconnect, ['stopTimer', 'abandon', 'down']],
    ['disconnects while waiting', states.waiting, events.disconnect, ['stopTimer', 'abandon']],
    ['closes while draining', states.draining, events.close, ['stopTimer', 'abandon', 'down']],
  ]
  test.each(effects)('%s', (_, state, event, expected) => {
    expect(kinds(step(state, event, facts()))).toEqual(expected)
  })

  test('no event in any state breaks the rules: one timer, down after up, nothing after closed', () => {
    const event = fc.oneof(
      fc.constantFrom<ConnectionEvent>(...Object.values(events).filter(([type]) => type !== 'close')),
      fc.integer({ min: 4400, max: 4530 }).map(lost),
      fc.nat(5_000).map((delay): ConnectionEvent => ['drain', delay]),
      fc.string().map((token): ConnectionEvent => ['token', token]),
    )
    const moment = fc.record({
      passed: fc.nat(8_000),
      heard: fc.boolean(),
      online: fc.boolean(),
      hidden: fc.boolean(),
      unsaved: fc.boolean(),
      bulk: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(fc.tuple(event, moment), { maxLength: 60, size: 'max' }), (taken) => {
        let state: ConnectionState = states.idle
        let timer = false
        let up = false
        let now = 0
        let lastHeard = 0
        let received = 0
        for (const [next, { passed, heard, ...told }] of taken) {
          now += passed
          if (heard) {
            lastHeard = now
            received++
          }
          if (next[0] === 'timer') {
            if (!timer) continue
            timer = false
          }
          const [after, done] = step(state, next, facts({ now, lastHeard, received, ...told }))
          for (const effect of done) {
            if (effect[0] === 'timer') {
              timer = true
              expect(effect[1]).toBeGreaterThanOrEqual(0)
            }
            if (effect[0] === 'stopTimer') timer = false
            if (effect[0] === 'up') {
              expect(up).toBe(false)
              up = true
            }
            if (effect[0] === 'down') {
              expect(up).toBe(true)
              up = false
            }
          }
          state = after
          expect(up).toBe(isUp(state))
          // Whatever waits for something has a timer: nothing hangs for ever.
          expect(timer).toBe(!['idle', 'denied', 'closed'].includes(state.name))
        }
      }),
    )
  })
})

describe('retries', () => {
  const delayOf = ([state]: Step): number => ('delay' in state ? state.delay : NaN)

  test('full jitter from the first retry, doubling to the bound', () => {
    for (const [attempt, bound] of [
      [0, 1_000],
      [1, 2_000],
      [4, 16_000],
      [5, 30_000],
      [90, 30_000],
    ] as const) {
      const from: ConnectionState = { ...opening, attempt }
      expect(delayOf(step(from, lost(1006), facts({ random: () => 0 })))).toBe(0)
      expect(delayOf(step(from, lost(1006), facts({ random: () => 0.999 })))).toBeCloseTo(bound * 0.999, -1)
    }
  })

  test('a connection that did not last counts as a failure, one that did starts anew', () => {
    expect(step(connected, lost(1006), facts())[0]).toMatchObject({ attempt: 4 })
    expect(step({ ...connected, since: 80_000 }, lost(1006), facts())[0]).toMatchObject({ attempt: 1 })
  })

  test('overloaded and rate limited are retried more slowly, and so is everything on a hidden page', () => {
    expect(delayOf(step(greeting, lost(1006), facts()))).toBe(500)
    expect(delayOf(step(greeting, lost(CloseCode.overloaded), facts()))).toBe(4_000)
    expect(delayOf(step(greeting, lost(CloseCode.rateLimited), facts()))).toBe(4_000)
    expect(delayOf(step(greeting, lost(1006), facts({ hidden: true })))).toBe(4_000)
    const often = { ...greeting, attempt: 20 }
    expect(delayOf(step(often, lost(1006), facts()))).toBe(15_000)
    expect(delayOf(step(often, lost(CloseCode.rateLimited), facts()))).toBe(60_000)
    expect(delayOf(step(often, lost(1006), facts({ hidden: true })))).toBe(60_000)
  })

  test('without a network there is one attempt in a while; when it is back, soon', () => {
    const none = facts({ online: false })
    expect(delayOf(step(opening, lost(1006), none))).toBe(45_000)
    const [offline] = step(states.waiting, events.networkLost, none)
    expect(offline).toMatchObject({ name: 'offline', until: 145_000 })
    expect(step(offline, events.wake, facts())[0]).toMatchObject({ name: 'waiting', delay: 500 })
  })

  test('gives up after the limit, with the last failure, and never by default', () => {
    const limited = facts({ timing: { ...defaultTiming, giveUpAfter: 1_000 } })
    expect(step(opening, lost(1006), limited)[0]).toMatchObject({
      name: 'denied',
      failure: {
        code: 'gave_up',
        message: 'no connection came about: the connection was closed (1006)',
      },
    })
    expect(step({ ...opening, since: 0 }, lost(1006), facts({ now: 1e12 }))[0].name).toBe('waiting')
  })

  test('the ERROR before a close is its reason, and its retryAfter is kept, whatever the hints say', () => {
    const error = { code: 'internal', message: 'come back later', retryAfter: 7_000 }
    const [told] = step(greeting, ['errorFrame', error], facts())
    const [after] = step(told, lost(1006), facts())
    expect(after).toMatchObject({ delay: 7_500, until: 107_500, failure: { code: 'internal' } })
    expect(step(after, events.wake, facts())).toEqual([after, []])
    const [offline] = step(after, events.networkLost, facts())
    expect(step(offline, events.wake, facts({ now: 101_000 }))[0]).toMatchObject({ until: 107_500 })
  })

  test('DRAIN: reconnects after the delay, whether the node closes or not (P11)', () => {
    const [draining] = step(connected, ['drain', 3_000], facts())
    expect(draining).toMatchObject({ name: 'draining', reconnectAt: 103_000 })
    expect(delayOf(step(draining, lost(CloseCode.draining), facts({ now: 101_000 })))).toBe(2_000)
    expect(delayOf(step(draining, events.timer, facts({ now: 103_000, lastHeard: 103_000 })))).toBe(0)
  })

  test('a node that drains and is gone without a close has told why (P11)', () => {
    const [draining] = step(connected, ['drain', 3_000], facts())
    const [after] = step(draining, lost(1006), facts({ now: 101_000 }))
    expect(after).toMatchObject({ name: 'waiting', delay: 2_000, failure: { code: 'draining' } })
    expect(step(connected, lost(1006), facts())[0]).toMatchObject({ failure: { code: 'connection_lost' } })
  })
})

describe('heartbeats (P10)', () => {
  test('pings once a heartbeat', () => {
    const early = step(connected, events.timer, facts({ now: 104_000 }))
    expect(kinds(early)).toEqual(['timer'])
    const due = step(connected, events.timer, facts({ now: 105_000 }))
    expect(kinds(due)).toEqual(['ping', 'timer'])
  })

  test('a ping that nothing answers in time is the end, an answer is not', () => {
    const [asked] = step(dueAt(105_000), events.timer, facts({ now: 105_000 }))
    expect(asked).toMatchObject({ probe: { received: 10, until: 110_000 }, due: 110_000 })
    expect(step(asked, events.timer, facts({ now: 110_000 }))[0].name).toBe('waiting')
    // In the same millisecond, on a fast network: it is the count that tells, not the clock.
    const answered = facts({ now: 110_000, lastHeard: 105_000, received: 11 })
    expect(step(asked, events.timer, answered)[0]).toMatchObject({ name: 'connected', probe: null })
  })

  test('two heartbeats of silence are the end, not less, while much is on its way', () => {
    const [asked] = step(dueAt(105_000), events.timer, facts({ now: 105_000, bulk: true }))
    const at = (now: number): string =>
      step({ ...asked, due: now } as ConnectionState, events.timer, facts({ now, bulk: true }))[0].name
    expect(at(110_000)).toBe('connected')
    expect(at(119_999)).toBe('connected')
    expect(at(120_000)).toBe('waiting')
  })

  test('with unsaved changes a silent server is pinged after two seconds: a dead link shows within seven', () => {
    const unsaved = { unsaved: true, lastHeard: 99_500 }
    const [sent, first] = step(connected, events.changeSent, facts({ lastHeard: 99_500 }))
    expect([sent, first]).toMatchObject([{ due: 101_500 }, [['timer', 1_500]]])
    const [asked, second] = step(sent, events.timer, facts({ now: 101_500, ...unsaved }))
    expect(second.map(([name]) => name)).toEqual(['ping', 'timer'])
    expect(asked).toMatchObject({ probe: { until: 106_500 } })
    expect(
      step(
        { ...asked, due: 106_500 } as ConnectionState,
        events.timer,
        facts({ now: 106_500, ...unsaved }),
      )[0],
    ).toMatchObject({ name: 'waiting', failure: { code: 'heartbeat_timeout' } })
  })

  test('a hint is answered by a probe: an answer in time, or a new connection', () => {
    const [probing] = step(connected, events.networkLost, facts())
    const silent = facts({ now: 105_000, lastHeard: 99_999 })
    expect(step(probing, events.timer, silent)[0].name).toBe('waiting')
    const answered = facts({ now: 105_000, lastHeard: 100_200, received: 11 })
    expect(step(probing, events.timer, answered)[0]).toMatchObject({ name: 'connected', probe: null })
    expect(step(probing, events.wake, facts({ now: 101_000 }))).toEqual([probing, []])
  })

  test('a process that slept looks once more before it gives up, and only once', () => {
    const slept = facts({ now: 200_000 })
    const [second, effects] = step(connected, events.timer, slept)
    expect(second).toMatchObject({ name: 'connected', probe: { until: 205_000, second: true } })
    expect(effects.map(([name]) => name)).toEqual(['ping', 'timer'])
    // Late again, as timers of a hidden page are: that is no excuse any more.
    expect(step(second, events.timer, facts({ now: 260_000 }))[0].name).toBe('waiting')
    const answered = facts({ now: 260_000, lastHeard: 201_000, received: 11 })
    expect(step(second, events.timer, { ...answered, lastHeard: 255_000 })[0].name).toBe('connected')
  })
})
