import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { decodeServerFrame, encodeValue } from '@weft/protocol'
import type { Room } from '../room/index.js'
import { FairShares, LoopTurns } from '../tenants/index.js'
import { RoomChannel, PublishTurns, type Dialect } from './channel.js'
import type { Membership } from './membership.js'
import type { TemplatedApp } from './uws.js'

/** A channel over an app that only notes what is published. */
const setUp = (): {
  channel: RoomChannel
  published: { topic: string; bytes: Uint8Array; by: string }[]
  member: (dialect: Dialect, name: string, address?: Uint8Array | null) => Membership
  delivered: { dialect: Dialect; receivers: number; updates: number }[]
} => {
  const published: { topic: string; bytes: Uint8Array; by: string }[] = []
  const delivered: { dialect: Dialect; receivers: number; updates: number }[] = []
  const app = {
    publish: (topic: string, bytes: Uint8Array) => {
      published.push({ topic, bytes, by: 'app' })
      return true
    },
  } as unknown as TemplatedApp
  const channel = new RoomChannel(
    7,
    app,
    new PublishTurns(),
    { published: (dialect, receivers, _bytes, updates) => delivered.push({ dialect, receivers, updates }) },
    new LoopTurns(new FairShares(100).limit(1e9)).of(''),
    () => undefined,
  )
  const member = (dialect: Dialect, name: string, address: Uint8Array | null = null): Membership =>
    ({
      dialect,
      user: name,
      connection: name,
      address,
      socket: {
        subscribe: () => undefined,
        unsubscribe: () => undefined,
        publish: (topic: string, bytes: Uint8Array) => {
          published.push({ topic, bytes, by: name })
          return true
        },
      },
    }) as unknown as Membership
  return { channel, published, member, delivered }
}

const update = new Uint8Array([0, 0])

describe('P44: stock clients hear something often enough', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['performance', 'setImmediate'] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  test('after silence, and not while frames go to everybody', () => {
    const { channel, published, member } = setUp()
    channel.subscribe(member('yjs', 'a'))
    vi.advanceTimersByTime(20_000)
    channel.keepAlive(14_000)
    expect(published.splice(0)).toEqual([{ topic: 'y7', bytes: new Uint8Array([1, 1, 0]), by: 'app' }])
    channel.keepAlive(14_000)
    vi.advanceTimersByTime(13_000)
    channel.keepAlive(14_000)
    expect(published).toEqual([])
    channel.updates([update], null)
    vi.advanceTimersByTime(13_000)
    channel.keepAlive(14_000)
    expect(published).toHaveLength(1)
  })

  test('one who types alone, or is the only one who types, does not hear its own updates', () => {
    const { channel, published, member } = setUp()
    const [a, b] = [member('yjs', 'a'), member('yjs', 'b')]
    channel.subscribe(a)
    for (const others of [false, true]) {
      if (others) channel.subscribe(b)
      vi.advanceTimersByTime(20_000)
      channel.keepAlive(14_000)
      published.splice(0)
      for (let second = 0; second < 30; second++) {
        vi.advanceTimersByTime(1_000)
        channel.updates([update], a)
        channel.keepAlive(14_000)
      }
      expect(published.filter(({ by }) => by === 'app')).toHaveLength(2)
    }
  })

  test('nothing goes where no stock client is', () => {
    const { channel, published, member } = setUp()
    channel.subscribe(member('weft', 'a'))
    vi.advanceTimersByTime(60_000)
    channel.keepAlive(14_000)
    expect(published).toEqual([])
  })
})

describe('what is published', () => {
  test('is encoded once per dialect in use, and leaves its sender out', () => {
    const { channel, published, member, delivered } = setUp()
    const [a, b, c] = [member('weft', 'a'), member('weft', 'b'), member('yjs', 'c')]
    for (const each of [a, b, c]) channel.subscribe(each)
    channel.updates([update, update], a)
    expect(published.map(({ topic, by }) => [topic, by])).toEqual([
      ['w7', 'a'],
      ['y7', 'app'],
    ])
    expect(delivered).toEqual([
      { dialect: 'weft', receivers: 1, updates: 2 },
      { dialect: 'yjs', receivers: 1, updates: 2 },
    ])
    expect(decodeServerFrame(published[0]!.bytes)).toMatchObject({ type: 'updates', room: 7 })
  })

  test('P35: broadcasts do not go to y-websocket clients', () => {
    const { channel, published, member } = setUp()
    const [a, c] = [member('weft', 'a'), member('yjs', 'c')]
    for (const each of [a, c]) channel.subscribe(each)
    channel.broadcast(a, a.user, 'x', encodeValue(1))
    expect(published).toEqual([])
    channel.subscribe(member('weft', 'b'))
    channel.broadcast(a, a.user, 'x', encodeValue(1))
    expect(published.map(({ topic, by }) => [topic, by])).toEqual([['w7', 'a']])
  })

  test('P36: the safe seq is what had been handed out two turns ago', () => {
    vi.useFakeTimers({ toFake: ['setImmediate'] })
    try {
      const { channel, member } = setUp()
      const room = { handed: 5 }
      channel.attach(room as unknown as Room)
      channel.subscribe(member('weft', 'a'))
      const turn = (): void => void vi.advanceTimersToNextTimer()
      const seen: number[] = []
      for (const handed of [6, 7, 8]) {
        channel.updates([update], null)
        room.handed = handed
        seen.push(channel.safeSeq)
        turn()
      }
      seen.push(channel.safeSeq)
      turn()
      seen.push(channel.safeSeq)
      turn()
      seen.push(channel.safeSeq)
      expect(seen).toEqual([5, 5, 5, 6, 7, 8])
    } finally {
      vi.useRealTimers()
    }
  })
})

describe('Hocuspocus', () => {
  test('P62: the same bytes for all providers without a session, and a frame for each session', () => {
    const { channel, published, member, delivered } = setUp()
    channel.attach({ name: 'r', handed: 0 } as unknown as Room)
    const session = (name: string): Uint8Array => new Uint8Array([3, 114, 0, name.charCodeAt(0)])
    const [a, b] = [member('hocuspocus', 'a'), member('hocuspocus', 'b')]
    const [c, d] = [member('hocuspocus', 'c', session('c')), member('hocuspocus', 'd', session('d'))]
    for (const each of [a, b, c, d]) channel.subscribe(each)
    channel.updates([update], a)
    const plain = new Uint8Array([1, 114, 0, 2, 2, 0, 0])
    expect(published.splice(0)).toEqual([
      { topic: 'h7', bytes: plain, by: 'a' },
      { topic: 'h7/c', bytes: new Uint8Array([...session('c'), 0, 2, 2, 0, 0]), by: 'app' },
      { topic: 'h7/d', bytes: new Uint8Array([...session('d'), 0, 2, 2, 0, 0]), by: 'app' },
    ])
    expect(delivered.map(({ dialect, receivers }) => [dialect, receivers])).toEqual([
      ['hocuspocus', 1],
      ['hocuspocus', 1],
      ['hocuspocus', 1],
    ])
    // A sender that has a session is left out by not being sent to.
    channel.updates([update], c)
    expect(published.splice(0).map(({ topic, by }) => [topic, by])).toEqual([
      ['h7', 'app'],
      ['h7/d', 'app'],
    ])
    channel.broadcast(null, null, 'stateless', encodeValue('x'))
    channel.broadcast(null, null, 'other', encodeValue('x'))
    channel.broadcast(null, null, 'stateless', encodeValue(1))
    expect(published.splice(0).map(({ topic, bytes }) => [topic, [...bytes.slice(-3)]])).toEqual([
      ['h7', [5, 1, 120]],
      ['h7/c', [5, 1, 120]],
      ['h7/d', [5, 1, 120]],
    ])
    for (const each of [a, b, c, d]) channel.unsubscribe(each)
    expect(channel.receivers).toBe(0)
    channel.updates([update], null)
    expect(published).toEqual([])
  })
})
