import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { CloseCode } from '@weft/protocol'
import { harness, settle } from './testing/harness.js'

/* What the platform says: the network, the page, its user; and what users are told. */

class FakePage extends EventTarget {
  visibilityState = 'visible'
}

let page: FakePage
let scope: EventTarget
let navigator: { onLine: boolean }

beforeEach(() => {
  page = new FakePage()
  scope = new EventTarget()
  navigator = { onLine: true }
  vi.stubGlobal('document', page)
  vi.stubGlobal('navigator', navigator)
  vi.stubGlobal('addEventListener', scope.addEventListener.bind(scope))
  vi.stubGlobal('removeEventListener', scope.removeEventListener.bind(scope))
})

afterEach(() => {
  vi.unstubAllGlobals()
})

const network = (onLine: boolean): void => {
  navigator.onLine = onLine
  scope.dispatchEvent(new Event(onLine ? 'online' : 'offline'))
}

const visible = (state: 'visible' | 'hidden'): void => {
  page.visibilityState = state
  page.dispatchEvent(new Event('visibilitychange'))
}

describe('the network', () => {
  test('offline: a living connection stays, a dead one is `offline`, tried rarely, and soon once the network is back', async () => {
    const { server, client, clock, pass } = harness()
    const weft = client()
    await settle()
    network(false)
    await pass(5_100)
    expect(weft.status).toBe('connected')
    server.crash()
    expect(weft.connection).toMatchObject({
      status: 'offline',
      attempt: 1,
      delay: 45_000,
      at: clock.date() + 45_000,
      reason: { code: 'connection_lost' },
    })
    await pass(44_000)
    expect(server.sockets).toHaveLength(1)
    network(true)
    expect(weft.connection).toMatchObject({ status: 'reconnecting', delay: 500, at: clock.date() + 500 })
    await pass(1_000)
    expect(weft.status).toBe('connected')
  })

  test('offline, wrongly: the slow attempt connects', async () => {
    const { server, client, pass } = harness()
    navigator.onLine = false
    const weft = client()
    await settle()
    expect(weft.status).toBe('connected')
    server.crash()
    await pass(46_000)
    expect(weft.status).toBe('connected')
  })

  test('offline while waiting: the attempt is put off', async () => {
    const { server, client } = harness()
    server.autoAccept = false
    const weft = client()
    await settle()
    server.socket.drop()
    expect(weft.status).toBe('reconnecting')
    network(false)
    expect(weft.connection).toMatchObject({ status: 'offline', delay: 45_000 })
    weft.connect()
    await settle()
    expect(weft.status).toBe('connecting')
  })
})

describe('the page', () => {
  test('hidden: retries are slower; visible: soon', async () => {
    const { server, client, pass } = harness()
    const weft = client()
    await settle()
    visible('hidden')
    server.crash()
    expect(weft.connection).toMatchObject({ status: 'reconnecting', delay: 4_000 })
    visible('visible')
    expect(weft.connection).toMatchObject({ delay: 500 })
    await pass(600)
    expect(weft.status).toBe('connected')
  })

  test.each([
    ['pageshow', () => scope.dispatchEvent(new Event('pageshow'))],
    ['resume', () => page.dispatchEvent(new Event('resume'))],
    ['visible', () => visible('visible')],
  ])('%s: looks whether the connection is alive', async (_, happen) => {
    const { server, client } = harness()
    const weft = client()
    await settle()
    const pings = server.socket.sent('ping').length
    happen()
    await settle()
    expect(server.socket.sent('ping')).toHaveLength(pings + 1)
    weft.close()
  })

  test('close() stops listening', async () => {
    const removed = vi.spyOn(scope, 'removeEventListener')
    vi.stubGlobal('removeEventListener', scope.removeEventListener.bind(scope))
    const added = vi.spyOn(scope, 'addEventListener')
    vi.stubGlobal('addEventListener', scope.addEventListener.bind(scope))
    const { client } = harness()
    const weft = client({ idleAfter: 60_000 })
    await settle()
    weft.close()
    expect(added.mock.calls.length).toBeGreaterThan(5)
    expect(removed.mock.calls.map(([type]) => type)).toEqual(added.mock.calls.map(([type]) => type))
  })
})

describe('the user of the page', () => {
  test('is idle after a time, and back with the next move; the field stands beside the others', async () => {
    const { client, pass } = harness()
    const [a, b] = [client({ idleAfter: 60_000 }).room('a'), client().room('a')]
    await Promise.all([a.synced(), b.synced()])
    a.presence.set({ name: 'Ada' })
    await pass(40_000)
    scope.dispatchEvent(new Event('pointermove'))
    await pass(59_000)
    expect([a.presence.idle, b.presence.others[0]?.idle]).toEqual([false, false])
    await pass(2_000)
    expect(a.presence.idle).toBe(true)
    expect(b.presence.others).toMatchObject([{ idle: true, presence: { name: 'Ada', idle: true } }])
    expect(b.presence.idle).toBe(false)
    scope.dispatchEvent(new Event('keydown'))
    await pass(100)
    expect(b.presence.others[0]).toMatchObject({ idle: false, presence: { name: 'Ada' } })
    expect(a.presence.get()).toEqual({ name: 'Ada' })
  })

  test('is away at once when the page is hidden, whatever a program does there', async () => {
    const { client, pass } = harness()
    const weft = client({ idleAfter: 60_000 })
    const a = weft.room('a')
    await a.synced()
    await settle()
    visible('hidden')
    expect(a.presence.idle).toBe(true)
    a.presence.set({ x: 1 })
    a.doc.getText('t').insert(0, 'x')
    await pass(100)
    expect(a.presence.get()).toEqual({ x: 1, idle: true })
    // A room that is entered meanwhile shows the same.
    expect(weft.room('b').presence.idle).toBe(true)
    visible('visible')
    expect([a.presence.idle, weft.room('b').presence.idle]).toEqual([false, false])
  })

  test('is there as long as there are edits, and always without the option', async () => {
    const { client, pass } = harness()
    const a = client({ idleAfter: 60_000 }).room('a')
    const b = client().room('b')
    await Promise.all([a.synced(), b.synced()])
    for (let i = 0; i < 4; i++) {
      await pass(30_000)
      a.doc.getText('t').insert(0, 'x')
    }
    visible('visible')
    expect([a.presence.idle, b.presence.idle]).toEqual([false, false])
    await pass(61_000)
    expect([a.presence.idle, b.presence.idle]).toEqual([true, false])
  })
})

describe('lost-connection', () => {
  test('a flicker tells nothing, a loss tells `lost` once, and `restored` after it', async () => {
    const { server, client, pass } = harness()
    const weft = client()
    const told: string[] = []
    weft.on('lost-connection', (what) => told.push(what))
    await settle()
    server.crash()
    await pass(4_900)
    expect(weft.status).toBe('connected')
    expect(told).toEqual([])
    server.autoAccept = false
    server.crash()
    await pass(4_900)
    expect(told).toEqual([])
    await pass(60_000)
    expect(told).toEqual(['lost'])
    server.autoAccept = true
    await pass(60_000)
    expect(told).toEqual(['lost', 'restored'])
  })

  test('a denial is `failed`, and so is giving up; connect() may restore', async () => {
    const { server, client, pass } = harness()
    const weft = client({ timing: { giveUpAfter: 20_000 } })
    const told: string[] = []
    weft.on('lost-connection', (what) => told.push(what))
    await settle()
    server.socket.drop(CloseCode.unauthorized)
    expect(told).toEqual(['failed'])
    weft.connect()
    await settle()
    expect(told).toEqual(['failed', 'restored'])
    server.autoAccept = false
    server.crash()
    await pass(60_000)
    expect(told.slice(2)).toEqual(['lost', 'failed'])
    expect(weft.connection).toMatchObject({ status: 'denied', reason: { code: 'gave_up' } })
    const { length } = server.sockets
    await pass(600_000)
    expect(server.sockets).toHaveLength(length)
  })

  test('disconnect() and close() are no loss', async () => {
    const { server, client, clock, pass } = harness()
    server.autoAccept = false
    const weft = client()
    const told: string[] = []
    weft.on('lost-connection', (what) => told.push(what))
    await pass(1_000)
    weft.disconnect()
    await pass(60_000)
    expect(told).toEqual([])
    weft.connect()
    await pass(1_000)
    weft.close()
    await pass(60_000)
    expect(told).toEqual([])
    expect(clock.running).toBe(0)
  })
})
