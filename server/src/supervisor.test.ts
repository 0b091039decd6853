import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { decodeProcessMessage } from './supervisor-link.js'
import { Supervisor, type ProcessEvents, type SupervisedProcess } from './supervisor.js'

/** A process as its supervisor sees it: what it is sent, and the events that a test makes. */
class FakeProcess implements SupervisedProcess {
  readonly pid = 1
  readonly number: number
  readonly events: ProcessEvents
  readonly signals: NodeJS.Signals[] = []
  readonly requests: number[] = []

  constructor(number: number, events: ProcessEvents) {
    this.number = number
    this.events = events
  }

  kill(signal: NodeJS.Signals): void {
    this.signals.push(signal)
  }

  send({ request }: { request: number }): void {
    this.requests.push(request)
  }

  up(): void {
    this.events.message({ type: 'ready', url: 'http://here' })
  }

  answer(text: string): void {
    this.events.message({ type: 'metrics', request: this.requests.at(-1)!, text })
  }
}

let started: FakeProcess[]
let ready: string[]
let errors: string[]

/** Two processes, unless told otherwise; `random` is the jitter. */
const supervise = (random = 0.5, processes = 2): Supervisor => {
  started = []
  ready = []
  errors = []
  return new Supervisor({
    processes,
    shutdownMs: 20_000,
    start: (number, events) => {
      const made = new FakeProcess(number, events)
      started.push(made)
      return made
    },
    ready: (url) => ready.push(url),
    random: () => random,
    logger: { info: () => undefined, error: (_details, message) => errors.push(message) },
  })
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
})
afterEach(() => {
  vi.useRealTimers()
})

describe('a dead process', () => {
  test('is started again at once when it lived long, and alone', () => {
    supervise(1)
    for (const each of started) each.up()
    vi.advanceTimersByTime(10_000)
    started[1]!.events.exit(null, 'SIGKILL')
    vi.advanceTimersByTime(0)
    expect(started.map(({ number }) => number)).toEqual([1, 2, 2])
    expect(started[0]!.signals).toEqual([])
  })

  test('that dies again and again waits longer each time, up to 5 s; a long life makes it well again', () => {
    const supervisor = supervise(1, 1)
    const delays: number[] = []
    for (let i = 0; i < 8; i++) {
      const count = started.length
      started.at(-1)!.events.exit(139, null)
      let delay = 0
      for (; started.length === count; delay++) vi.advanceTimersByTime(1)
      delays.push(delay)
    }
    expect(delays).toEqual([200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000])
    expect(supervisor.restarts()).toEqual([{ process: 1, restarts: 8 }])
    vi.advanceTimersByTime(10_000)
    started.at(-1)!.events.exit(1, null)
    vi.advanceTimersByTime(0)
    started.at(-1)!.events.exit(1, null)
    vi.advanceTimersByTime(199)
    expect(started).toHaveLength(10)
    vi.advanceTimersByTime(1)
    expect(started).toHaveLength(11)
  })

  test('the delay is jittered over all of its range', () => {
    supervise(0, 1)
    started[0]!.events.exit(1, null)
    vi.advanceTimersByTime(0)
    expect(started).toHaveLength(2)
  })

  test('that has listened before and cannot now is tried again, and the log says why', () => {
    const supervisor = supervise(0, 1)
    started[0]!.up()
    started[0]!.events.exit(null, 'SIGKILL')
    vi.advanceTimersByTime(0)
    started[1]!.events.message({ type: 'failed', reason: 'The database is away.' })
    started[1]!.events.exit(1, null)
    vi.advanceTimersByTime(0)
    expect(started).toHaveLength(3)
    expect(errors).toContain('a process cannot start: The database is away.')
    started[2]!.up()
    expect(ready).toEqual(['http://here'])
    supervisor.signal('SIGTERM')
  })
})

describe('the start', () => {
  test('is announced once, when all listen', () => {
    supervise()
    started[0]!.up()
    expect(ready).toEqual([])
    started[1]!.up()
    expect(ready).toEqual(['http://here'])
  })

  test('that fails ends everything, with the first reason', async () => {
    const supervisor = supervise()
    started[0]!.events.message({ type: 'failed', reason: 'JWT_SECRET is short.' })
    started[1]!.events.message({ type: 'failed', reason: 'JWT_SECRET is short, too.' })
    expect(started.map(({ signals }) => signals)).toEqual([['SIGTERM'], ['SIGTERM']])
    started[0]!.events.exit(1, null)
    started[1]!.events.exit(1, null)
    expect(await supervisor.ended).toEqual({ code: 1, failure: 'JWT_SECRET is short.' })
    vi.advanceTimersByTime(60_000)
    expect(started).toHaveLength(2)
  })
})

describe('a signal', () => {
  test('lets all processes shut down: 0 when all did, also those that had not started yet', async () => {
    const supervisor = supervise()
    started[0]!.up()
    supervisor.signal('SIGINT')
    expect(started.map(({ signals }) => signals)).toEqual([['SIGTERM'], ['SIGTERM']])
    started[1]!.events.exit(null, 'SIGTERM')
    started[0]!.events.exit(0, null)
    expect(await supervisor.ended).toEqual({ code: 0, failure: null })
  })

  test('gives the worst exit code', async () => {
    const supervisor = supervise()
    for (const each of started) each.up()
    supervisor.signal('SIGTERM')
    started[0]!.events.exit(1, null)
    started[1]!.events.exit(0, null)
    expect((await supervisor.ended).code).toBe(1)
  })

  test('while a process waits for its restart ends that as well', async () => {
    const supervisor = supervise(1)
    started[0]!.events.exit(1, null)
    supervisor.signal('SIGTERM')
    started[1]!.events.exit(0, null)
    expect((await supervisor.ended).code).toBe(0)
    vi.advanceTimersByTime(60_000)
    expect(started).toHaveLength(2)
  })

  test('a second one kills, but not the echo of the first', async () => {
    const supervisor = supervise()
    for (const each of started) each.up()
    supervisor.signal('SIGINT')
    vi.advanceTimersByTime(20)
    supervisor.signal('SIGINT')
    expect(started[0]!.signals).toEqual(['SIGTERM'])
    vi.advanceTimersByTime(1_000)
    supervisor.signal('SIGINT')
    expect(started.map(({ signals }) => signals.at(-1))).toEqual(['SIGKILL', 'SIGKILL'])
    for (const { events } of started) events.exit(null, 'SIGKILL')
    expect((await supervisor.ended).code).toBe(137)
  })

  test('processes that are stuck are killed after the deadline', () => {
    const supervisor = supervise()
    for (const each of started) each.up()
    supervisor.signal('SIGTERM')
    started[0]!.events.exit(0, null)
    vi.advanceTimersByTime(19_999)
    expect(started[1]!.signals).toEqual(['SIGTERM'])
    vi.advanceTimersByTime(1)
    expect(started[1]!.signals).toEqual(['SIGTERM', 'SIGKILL'])
    expect(started[0]!.signals).toEqual(['SIGTERM'])
  })
})

describe('metrics', () => {
  test('come from all processes that are up, without one that dies or is silent', async () => {
    const supervisor = supervise(0, 4)
    const [a, b, c, d] = started as [FakeProcess, FakeProcess, FakeProcess, FakeProcess]
    for (const each of [a, b, c]) each.up()
    const first = supervisor.metrics()
    expect(started.map(({ requests }) => requests.length)).toEqual([1, 1, 1, 0])
    c.answer('of c')
    a.answer('of a')
    b.events.exit(null, 'SIGKILL')
    expect(await first).toEqual([
      { process: 1, text: 'of a' },
      { process: 3, text: 'of c' },
    ])
    d.up()
    // The successor of b does not listen yet: it is not asked, and nobody waits for it.
    vi.advanceTimersByTime(0)
    const second = supervisor.metrics()
    expect(started.slice(4).map(({ requests }) => requests)).toEqual([[]])
    a.answer('of a')
    vi.advanceTimersByTime(2_000)
    expect(await second).toEqual([{ process: 1, text: 'of a' }])
  })
})

test('readiness is that of all processes: one that is away degrades it, and none is ready without one', async () => {
  const supervisor = supervise(0, 2)
  const [a, b] = started as [FakeProcess, FakeProcess]
  expect(await supervisor.readiness()).toMatchObject({ ok: false, body: { status: 'unavailable' } })
  expect(supervisor.health).toEqual({ processes: 2, up: 0 })
  a.up()
  const asked = async (...answers: [FakeProcess, string][]): Promise<unknown> => {
    const readiness = supervisor.readiness()
    for (const [each, text] of answers) each.answer(text)
    return readiness
  }
  const ready = '{"ok":true,"body":{"status":"ready","database":"ok"}}'
  expect(await asked([a, ready])).toEqual({
    ok: true,
    body: {
      status: 'degraded',
      processes: [
        { process: 1, status: 'ready', database: 'ok' },
        { process: 2, status: 'away' },
      ],
    },
  })
  b.up()
  expect(await asked([a, ready], [b, ready])).toMatchObject({ ok: true, body: { status: 'ready' } })
  const away = '{"ok":false,"body":{"status":"unavailable"}}'
  expect(await asked([a, away], [b, 'nonsense'])).toMatchObject({
    ok: false,
    body: { status: 'unavailable' },
  })
  expect(supervisor.health).toEqual({ processes: 2, up: 2 })
  supervisor.signal('SIGTERM')
  expect(await supervisor.readiness()).toMatchObject({ ok: false, body: { status: 'draining' } })
})

test('what a process sends is checked', () => {
  for (const message of [null, 'ready', {}, { type: 'ready' }, { type: 'metrics', request: '1', text: '' }])
    expect(decodeProcessMessage(message)).toBeNull()
  expect(decodeProcessMessage({ type: 'ready', url: 'u', more: 1 })).toEqual({ type: 'ready', url: 'u' })
})
