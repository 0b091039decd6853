import { EventEmitter } from 'node:events'
import { setImmediate } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { asRoomId } from '../ids.js'
import { startRedis, type TestRedis } from '../testing/redis.js'
import { until } from '../testing/until.js'
import { busContract } from './bus.contract.js'
import { encodeMessage, encodeSender } from './bus-codec.js'
import { connectRedisBus } from './redis-bus.js'
import { Counts, Nodes } from './testing/redis-nodes.js'
import type { BusMessage } from './types.js'

let redis: TestRedis
let nodes: Nodes
const rejections: unknown[] = []
const onRejection = (reason: unknown): void => void rejections.push(reason)
const room = asRoomId(7)
const committed = (head: number): BusMessage => ({ kind: 'committed', head, updates: [], messages: [] })

const begin = (): Nodes => (nodes = new Nodes(redis.url))

const useRedis = (start: () => Promise<TestRedis>): void => {
  beforeAll(async () => {
    redis = await start()
    process.on('unhandledRejection', onRejection)
  })
  afterEach(async () => {
    redis.cont()
    await nodes.close()
    expect(rejections).toEqual([])
  })
  afterAll(async () => {
    process.off('unhandledRejection', onRejection)
    await redis.dispose()
  })
}

const contract = (): void =>
  busContract(async () => {
    begin()
    // Somebody is always there to settle with.
    await nodes.connect('witness')
    return { connect: (node) => nodes.connect(node), settled: () => nodes.settled() }
  })

describe('RedisBus', () => {
  useRedis(() => startRedis())
  contract()

  test('messages of one room and turn travel as one payload', async () => {
    begin()
    const [a, b] = [await nodes.connect('a'), await nodes.connect('b')]
    const payloads: number[] = []
    const foreign = new Redis(redis.url)
    foreign.on('messageBuffer', (_channel: Buffer, payload: Buffer) => payloads.push(payload.length))
    await foreign.subscribe('weft:r:7')
    const heard: BusMessage[] = []
    b.subscribe(room, (message) => heard.push(message))
    await nodes.settled()
    for (let first = 1; first <= 50; first++) a.publish(room, { kind: 'relay', first, updates: [] })
    await until(() => heard.length === 50 && payloads.length > 0, 'all arrive')
    expect(payloads).toHaveLength(1)
    foreign.disconnect()
  })

  test('notices of one commit are one publish, whatever number of rooms it holds, and reach those who have them open', async () => {
    begin()
    const [ca, cb] = [new Counts(), new Counts()]
    const [a, b] = [await nodes.connect('a', ca), await nodes.connect('b', cb)]
    const heard: [number, BusMessage][] = []
    for (const id of [7, 8]) b.subscribe(asRoomId(id), (message) => heard.push([id, message]))
    await nodes.settled()
    // What was published to settle leaves first.
    await setImmediate()
    const before = [ca.sends, cb.receptions]
    const notice = (seq: number): BusMessage => ({
      kind: 'committed',
      head: seq,
      updates: [{ seq, number: 2 ** 40 + seq }],
      messages: [],
    })
    for (let id = 1; id <= 500; id++) a.publish(asRoomId(id), notice(id))
    await until(() => heard.length === 2, 'both arrive')
    expect(heard).toEqual([
      [7, notice(7)],
      [8, notice(8)],
    ])
    expect([ca.sends - before[0]!, cb.receptions - before[1]!]).toEqual([1, 2])
  })

  test('rolling upgrades: while a node of an older release is heard, notices go to the channels of their rooms', async () => {
    begin()
    const counts = new Counts()
    const [a, b] = [await nodes.connect('a', counts), await nodes.connect('b')]
    const older = new Redis(redis.url)
    const payloads: number[] = []
    older.on('messageBuffer', (_channel: Buffer, payload: Buffer) => payloads.push(payload.length))
    await older.subscribe('weft:r:7')
    let signs = 0
    a.onAnnouncement(() => signs++)
    const heard: BusMessage[] = []
    b.subscribe(room, (message) => heard.push(message))
    await nodes.settled()
    b.announce({ kind: 'alive' })
    await until(() => signs === 1, 'a node of this release is heard')
    a.publish(room, committed(1))
    await until(() => heard.length === 1, 'it arrives')
    expect(payloads).toHaveLength(0)
    const publisher = new Redis(redis.url)
    await publisher.publish(
      'weft:nodes',
      Buffer.concat([encodeSender('old'), encodeMessage({ kind: 'alive' })]),
    )
    await until(() => signs === 2, 'the older node is heard')
    a.publish(room, committed(2))
    await until(() => heard.length === 2 && payloads.length === 1, 'it arrives at both')
    expect(heard).toEqual([committed(1), committed(2)])
    expect(counts.ignores).toBe(0)
    older.disconnect()
    publisher.disconnect()
  })

  test('I4: what a foreign client publishes is counted and ignored, and hurts nothing', async () => {
    begin()
    const counts = new Counts()
    const [a, b] = [await nodes.connect('a'), await nodes.connect('b', counts)]
    const heard: unknown[] = []
    b.subscribe(room, (message) => heard.push(message))
    b.onAnnouncement((message) => heard.push(message))
    await nodes.settled()
    const foreign = new Redis(redis.url)
    const before = counts.ignores
    const good = Buffer.concat([encodeSender('z'), encodeMessage(committed(1))])
    await foreign.publish('weft:r:7', 'hello')
    await foreign.publish('weft:r:7', '')
    await foreign.publish('weft:r:7', good.subarray(0, -1))
    await foreign.publish('weft:nodes', good.subarray(0, 3))
    await foreign.publish('weft:commits', good)
    await foreign.publish('weft:commits', good.subarray(0, -1))
    await foreign.publish('weft:probe:b', 'x')
    await foreign.publish('weft:r:7', good)
    a.publish(room, committed(2))
    await until(() => heard.length === 2, 'the good ones arrive')
    expect(heard).toEqual([committed(1), committed(2)])
    expect(counts.ignores - before).toBe(7)
    expect([b.isHealthy, counts.faults]).toEqual([true, []])
    foreign.disconnect()
  })

  test('a listener that throws is told of, and the others hear', async () => {
    begin()
    const counts = new Counts()
    const [a, b] = [await nodes.connect('a'), await nodes.connect('b', counts)]
    const heard: BusMessage[] = []
    b.subscribe(room, () => {
      throw new Error('broken')
    })
    b.subscribe(room, (message) => heard.push(message))
    await nodes.settled()
    a.publish(room, committed(1))
    a.publish(room, committed(2))
    await until(() => heard.length === 2, 'both arrive')
    expect(counts.faults).toHaveLength(2)
  })

  test('nothing is loose: counts of one message are one', async () => {
    begin()
    const [ca, cb] = [new Counts(), new Counts()]
    const [a, b] = [await nodes.connect('a', ca), await nodes.connect('b', cb)]
    b.subscribe(room, () => undefined)
    await nodes.settled()
    const before = [ca.publishes, cb.receptions]
    a.publish(room, committed(1))
    await until(() => cb.receptions > before[1]!, 'it arrives')
    expect([ca.publishes - before[0]!, cb.receptions - before[1]!, ca.drops, cb.ignores]).toEqual([
      1, 1, 0, 0,
    ])
  })

  test('I4: Redis killed and started again, empty: health tells, and rooms hear again', async () => {
    begin()
    const counts = new Counts()
    const [a, b] = [await nodes.connect('a', counts), await nodes.connect('b')]
    const health: boolean[] = []
    a.onHealth((isHealthy) => health.push(isHealthy))
    const heard: BusMessage[] = []
    b.subscribe(room, (message) => heard.push(message))
    const stop = b.subscribe(asRoomId(8), () => undefined)
    await nodes.settled()
    await redis.kill()
    await until(() => !a.isHealthy && !b.isHealthy, 'both notice at once', 1_000)
    a.publish(room, committed(1))
    a.announce({ kind: 'alive' })
    expect(counts.drops).toBeGreaterThanOrEqual(2)
    stop()
    const late: BusMessage[] = []
    b.subscribe(asRoomId(9), (message) => late.push(message))
    await redis.restart()
    await until(() => a.isHealthy && b.isHealthy, 'both heal')
    expect([a.isDoubtful, b.isDoubtful]).toEqual([false, false])
    a.publish(room, committed(2))
    a.publish(asRoomId(9), committed(3))
    await until(() => heard.length > 0 && late.length > 0, 'messages flow again')
    expect([heard, late, health]).toEqual([[committed(2)], [committed(3)], [false, true]])
    // None when no attempt met the closed port.
    expect(counts.reasons.length).toBeLessThanOrEqual(1)
    const probe = new Redis(redis.url)
    expect(await probe.pubsub('NUMSUB', 'weft:r:8')).toEqual(['weft:r:8', 0])
    probe.disconnect()
  })

  test('I6: Redis frozen: noticed within 4 s, what waits is bounded, and it heals', async () => {
    begin()
    const counts = new Counts()
    const [a, b] = [await nodes.connect('a', counts), await nodes.connect('b')]
    const heard: BusMessage[] = []
    b.subscribe(room, (message) => heard.push(message))
    await nodes.settled()
    redis.stop()
    const frozen = performance.now()
    const message: BusMessage = { kind: 'relay', first: 1, updates: [new Uint8Array(1_000)] }
    const publishedBefore = counts.publishes
    let most = 0
    for (let i = 0; i < 100_000; i++) {
      a.publish(asRoomId(i % 500), message)
      most = Math.max(most, a.bytesInFlight)
      if (i % 500 === 499) await setImmediate()
    }
    expect(most).toBeLessThanOrEqual(16 * 1024 ** 2)
    await until(() => a.isDoubtful && b.isDoubtful, 'both doubt, before they know')
    const taken = counts.publishes - publishedBefore
    expect(taken).toBeGreaterThan(1_000)
    expect(taken).toBeLessThan(20_000)
    await until(() => !a.isHealthy && !b.isHealthy, 'both notice')
    expect(performance.now() - frozen).toBeLessThan(4_500)
    await until(() => a.bytesInFlight === 0, 'what waited is given up')
    expect(counts.drops).toBeGreaterThanOrEqual(100_000)
    redis.cont()
    await until(() => a.isHealthy && b.isHealthy, 'both heal')
    a.publish(room, committed(2))
    await until(() => heard.some(({ kind }) => kind === 'committed'), 'messages flow again')
  })

  test('I4: the subscriber cut off by Redis: noticed at once, and it heals', async () => {
    begin()
    const [a, b] = [await nodes.connect('a'), await nodes.connect('b')]
    const health: boolean[] = []
    b.onHealth((isHealthy) => health.push(isHealthy))
    const heard: BusMessage[] = []
    b.subscribe(room, (message) => heard.push(message))
    await nodes.settled()
    const foreign = new Redis(redis.url)
    await foreign.call('client', 'kill', 'type', 'pubsub')
    foreign.disconnect()
    await until(() => health.length === 2 && a.isHealthy, 'b notices, and heals')
    expect(health).toEqual([false, true])
    a.publish(room, committed(1))
    await until(() => heard.length === 1, 'messages flow again')
  })

  test('I4: connected, and nothing is delivered: the probe notices, and the connection is made anew', async () => {
    begin()
    const b = await nodes.connect('b')
    const health: boolean[] = []
    b.onHealth((isHealthy) => health.push(isHealthy))
    // As after a failover: the connection answers, and nothing comes through it.
    let dead: Redis['stream'] | null = null
    const cut = vi.spyOn(Redis.prototype, 'emit').mockImplementation(function (
      this: Redis,
      event: string | symbol,
      ...args: unknown[]
    ) {
      if (event === 'messageBuffer') {
        dead ??= this.stream
        if (this.stream === dead) return true
      }
      return EventEmitter.prototype.emit.call(this, event, ...args)
    })
    await until(() => health.length === 2, 'it notices, and heals')
    cut.mockRestore()
    expect(health).toEqual([false, true])
  })

  test('I6: closing does not wait for a frozen Redis', async () => {
    begin()
    const a = await nodes.connect('a')
    redis.stop()
    a.publish(room, committed(1))
    const before = performance.now()
    await a.close()
    expect(performance.now() - before).toBeLessThan(1_500)
  })

  test('what was announced before a close goes out', async () => {
    begin()
    const [a, b] = [await nodes.connect('a'), await nodes.connect('b')]
    const heard: unknown[] = []
    b.onAnnouncement((message, from) => heard.push([message, from]))
    await nodes.settled()
    a.announce({ kind: 'bye' })
    await a.close()
    await until(() => heard.length === 1, 'it arrives')
    expect(heard).toEqual([[{ kind: 'bye' }, 'a']])
  })
})

describe('RedisBus that starts before Redis', () => {
  useRedis(() => startRedis({ down: true }))

  test('I4: it starts unhealthy, drops, and heals by itself when Redis comes', async () => {
    begin()
    const counts = new Counts()
    const [a, b] = [await nodes.start('a', counts), await nodes.start('b')]
    const heard: BusMessage[] = []
    b.subscribe(room, (message) => heard.push(message))
    expect([a.isHealthy, b.isHealthy]).toEqual([false, false])
    a.publish(room, committed(1))
    expect(counts.drops).toBe(1)
    await until(() => counts.reasons.length > 0, 'the reason is told')
    await redis.restart()
    await until(() => a.isHealthy && b.isHealthy, 'both heal')
    a.publish(room, committed(2))
    await until(() => heard.length > 0, 'messages flow')
    expect(heard).toEqual([committed(2)])
    expect(counts.reasons).toHaveLength(1)
  })

  test('I8: an address that is none is refused, and its password not repeated', async () => {
    begin()
    const refused = connectRedisBus({ url: 'redis://:secret@a:b', node: 'a', observer: new Counts() })
    await expect(refused).rejects.toThrow(TypeError)
    await expect(refused).rejects.not.toThrow('secret')
  })
})

describe('RedisBus on a cluster', () => {
  useRedis(async () => {
    const started = await startRedis({ cluster: true })
    return { ...started, url: started.url.replace('redis:', 'redis+cluster:') }
  })
  contract()
})
