/* The bus over every way to run Redis: TLS, users, sentinels, and a cluster of several masters, real ones. */
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { asRoomId, type RoomId } from '../ids.js'
import { makeCertificates, type Certificates } from '../testing/certificates.js'
import { replicaOf, startCluster, startSentinels, type RedisGroup } from '../testing/redis-groups.js'
import { startRedis, type TestRedis } from '../testing/redis.js'
import { until } from '../testing/until.js'
import { busContract } from './bus.contract.js'
import { Counts, Nodes, spreadRooms } from './testing/redis-nodes.js'
import type { BusMessage } from './types.js'

const committed = (head: number): BusMessage => ({ kind: 'committed', head, updates: [], messages: [] })

let nodes: Nodes
const begin = (url: string, ca?: string): Nodes => (nodes = new Nodes(url, ca))
afterEach(() => nodes.close())

const contract = (target: () => { url: string; ca?: string }): void =>
  busContract(async () => {
    const { url, ca } = target()
    begin(url, ca)
    // Somebody is always there to settle with.
    await nodes.connect('witness')
    return { connect: (node) => nodes.connect(node), settled: () => nodes.settled() }
  })

describe('RedisBus over TLS, with a user', () => {
  let certificates: Certificates
  let redis: TestRedis
  beforeAll(async () => {
    certificates = await makeCertificates()
    redis = await startRedis({ tls: certificates, user: { name: 'weft', password: 'secret42' } })
  })
  afterAll(async () => {
    await redis.dispose()
    await certificates.remove()
  })
  contract(() => ({ url: redis.url, ca: certificates.ca }))

  const refused = async (url: string, reason: RegExp, ca?: string): Promise<void> => {
    const counts = new Counts()
    const bus = await begin(url, ca).start('a', counts)
    await until(() => counts.reasons.length > 0, 'the reason is told')
    expect([bus.isHealthy, counts.reasons[0]]).toEqual([false, expect.stringMatching(reason)])
    expect(counts.reasons.join()).not.toContain('secret42')
  }

  test('I8: a server whose certificate nobody trusts is not talked to', () =>
    refused(redis.url, /certificate/))

  test('I8: a wrong password is told, and not repeated', () =>
    refused(redis.url.replace('weft:secret42', 'weft:secret427'), /WRONGPASS|NOAUTH/, certificates.ca))
})

describe('RedisBus behind sentinels', () => {
  let group: RedisGroup
  beforeAll(async () => {
    group = await startSentinels()
  })
  afterAll(() => group.dispose())
  contract(() => group)

  test('I4: the master is killed: the sentinels choose the replica, and messages flow again', async () => {
    begin(group.url)
    const [a, b] = [await nodes.connect('a'), await nodes.connect('b')]
    const heard: BusMessage[] = []
    b.subscribe(asRoomId(7), (message) => heard.push(message))
    await nodes.settled()
    await group.servers[0]!.kill()
    await until(() => !a.isHealthy && !b.isHealthy, 'both notice at once', 1_000)
    await until(() => a.isHealthy && b.isHealthy, 'both heal', 30_000)
    a.publish(asRoomId(7), committed(1))
    await until(() => heard.length > 0, 'messages flow again')
    expect(heard).toEqual([committed(1)])
  })
})

describe('RedisBus on a cluster of three masters', () => {
  let group: RedisGroup
  /** A room on each ninth of the slots: three on each master. */
  let rooms: RoomId[]
  beforeAll(async () => {
    group = await startCluster()
    let next = 1
    rooms = spreadRooms(() => asRoomId(next++))
  })
  afterEach(() => {
    for (const server of group.servers) server.cont()
  })
  afterAll(() => group.dispose())
  contract(() => group)

  const heardIn = (bus: Awaited<ReturnType<Nodes['connect']>>): Map<RoomId, BusMessage[]> =>
    new Map(
      rooms.map((room) => {
        const heard: BusMessage[] = []
        bus.subscribe(room, (message) => heard.push(message))
        return [room, heard]
      }),
    )

  test('rooms are sharded: a message goes through the master of its room alone', async () => {
    begin(group.url)
    await nodes.connect('a')
    const b = await nodes.connect('b')
    heardIn(b)
    await nodes.settled()
    const channels = await Promise.all(
      group.servers.slice(0, 3).map(async ({ port }) => {
        const redis = new Redis(port, '127.0.0.1')
        const sharded = await redis.call('pubsub', 'shardchannels', 'weft:r:*')
        const plain = await redis.call('pubsub', 'channels', 'weft:*')
        redis.disconnect()
        return [(sharded as string[]).sort(), plain]
      }),
    )
    const expected = [0, 3, 6].map((at) => [
      rooms
        .slice(at, at + 3)
        .map((room) => `weft:r:${room}`)
        .sort(),
      [],
    ])
    expect(channels).toEqual(expected)
  })

  test('I4: a part of the cluster stands still: the probe of that part notices, and sees when it is back', async () => {
    begin(group.url)
    const [a, b] = [await nodes.connect('a'), await nodes.connect('b')]
    const heard = heardIn(b)
    await nodes.settled()
    const master = group.servers[1]!
    const part = [master, await replicaOf(master, group.servers.slice(3))]
    for (const server of part) server.stop()
    await until(() => !a.isHealthy && !b.isHealthy, 'both notice', 5_000)
    for (const server of part) server.cont()
    await heal(a, b, heard)
  })

  test('I4: a master stands still: its replica takes over, and all rooms hear again', async () => {
    begin(group.url)
    const [a, b] = [await nodes.connect('a'), await nodes.connect('b')]
    const heard = heardIn(b)
    await nodes.settled()
    const told = [0, 0]
    a.onHealth((isHealthy) => {
      if (!isHealthy) told[0]!++
    })
    b.onHealth((isHealthy) => {
      if (!isHealthy) told[1]!++
    })
    group.servers[2]!.stop()
    await until(() => told[0]! > 0 && told[1]! > 0, 'both notice', 5_000)
    await heal(a, b, heard)
    group.servers[2]!.cont()
  })

  test('I4: a master is killed: it fails over, and all rooms hear again', async () => {
    begin(group.url)
    const [a, b] = [await nodes.connect('a'), await nodes.connect('b')]
    const heard = heardIn(b)
    await nodes.settled()
    await group.servers[0]!.kill()
    await until(() => !a.isHealthy && !b.isHealthy, 'both notice at once', 1_500)
    await heal(a, b, heard)
  })

  const heal = async (
    a: Awaited<ReturnType<Nodes['connect']>>,
    b: Awaited<ReturnType<Nodes['connect']>>,
    heard: Map<RoomId, BusMessage[]>,
  ): Promise<void> => {
    await until(() => a.isHealthy && b.isHealthy, 'both heal', 30_000)
    for (const messages of heard.values()) messages.length = 0
    for (const room of rooms) a.publish(room, committed(room))
    await until(() => [...heard.values()].every(({ length }) => length > 0), 'every room hears')
    expect([...heard]).toEqual(rooms.map((room) => [room, [committed(room)]]))
  }
})
