import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { decodeServerFrame, encodeValue } from '@weft/protocol'
import type { Room } from '../room/index.js'
import { RoomChannel, PublishTurns, type Dialect } from './channel.js'
import type { Membership } from './membership.js'
import type { TemplatedApp } from './uws.js'

/** A channel over an app that only notes what is published. */
const setUp = (): {
  channel: RoomChannel
  published: { topic: string; bytes: Uint8Array; by: string }[]
  member: (dialect: Dialect, name: string) => Membership
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
    () => undefined,
  )
  const member = (dialect: Dialect, name: string): Membership =>
    ({
      dialect,
      user: name,
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

  test('P35: broadcasts go to Weft members only', () => {
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
