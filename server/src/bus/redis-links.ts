/*
 * The two connections to Redis, one that publishes and one that subscribes, and the little that the bus needs of them: the same
 * for a single server, a master behind sentinels, and a cluster (with sharded pub/sub).
 */
import { Cluster, Redis } from 'ioredis'
import { parseRedisUrl, type RedisTarget } from './redis-url.js'
import { messageOf } from '../message-of.js'

export interface RedisLinks {
  /** Whether something can be published now. */
  readonly canPublish: boolean
  /** Resolves when Redis has it; rejects when the connection breaks or is not there. */
  publish(channel: string, payload: Uint8Array): Promise<unknown>
  /** Lets what is published inside travel in one write. */
  together(publish: () => void): void
  /** Subscribes, now or once connected, and again after every reconnect. */
  subscribe(channel: string): void
  unsubscribe(channel: string): void
  /** Breaks both connections, and makes them again. One that waits for its next attempt goes on waiting. */
  reconnect(): void
  close(): void
}

export interface RedisLinksListener {
  /** Both connections are there, and the subscriptions have been sent. */
  ready(): void
  /** A connection broke. */
  lost(): void
  /** The message of an error of a connection. Never holds what was sent (a password). */
  error(message: string): void
  message(channel: string, payload: Uint8Array): void
}

/** The longest wait before a connection is tried again, in milliseconds. */
const maxRetryMs = 1_000
const firstRetryMs = 50

/** What a connection gets to close on its own before it is destroyed, in milliseconds. A frozen Redis takes all of it. */
const disconnectTimeoutMs = 500

/** What a Redis that hangs gets to answer a command, in milliseconds. */
const commandTimeoutMs = 1_000

/** Channels in one SUBSCRIBE: a reply each, and other clients of Redis wait meanwhile. */
const channelsPerCommand = 1_000

/** Full jitter, so that the nodes do not come back to a restarted Redis all at once. */
const retryDelay = (attempt: number): number =>
  Math.random() * Math.min(maxRetryMs, firstRetryMs * 2 ** Math.min(attempt, 10))

/** `ca`: certificates (PEM) of the authorities to trust, in place of Node's own. */
type Ca = string | undefined

const tlsOptions = (ca: Ca) => (ca === undefined ? {} : { ca })

const commonOptions = (target: RedisTarget, ca: Ca) => ({
  ...(target.username === undefined ? {} : { username: target.username }),
  ...(target.password === undefined ? {} : { password: target.password }),
  ...(target.tls ? { tls: tlsOptions(ca) } : {}),
  connectTimeout: 5_000,
  disconnectTimeout: disconnectTimeoutMs,
  // What is in flight when the connection breaks is given up at once, neither kept nor sent again.
  maxRetriesPerRequest: 0,
  autoResendUnfulfilledCommands: false,
})

const connectServer = (target: RedisTarget, ca: Ca, commandTimeout?: number): Redis => {
  const [first = { host: 'localhost', port: 6_379 }] = target.hosts
  return new Redis({
    ...commonOptions(target, ca),
    ...(commandTimeout === undefined ? {} : { commandTimeout }),
    ...(target.kind === 'sentinel'
      ? {
          sentinels: [...target.hosts],
          name: target.master,
          sentinelRetryStrategy: retryDelay,
          enableTLSForSentinelMode: target.tls,
          ...(target.tls ? { sentinelTLS: tlsOptions(ca) } : {}),
          // Follows the sentinels' word of a failover, before the old master is noticed to be gone.
          failoverDetector: true,
        }
      : first),
    retryStrategy: retryDelay,
    enableOfflineQueue: false,
    // Only what Redis has confirmed would be subscribed again: `resubscribe` knows what is wanted.
    autoResubscribe: false,
  })
}

const connectCluster = (target: RedisTarget, ca: Ca, sharded: boolean, commandTimeout?: number): Cluster =>
  new Cluster([...target.hosts], {
    redisOptions: {
      ...commonOptions(target, ca),
      ...(commandTimeout === undefined ? {} : { commandTimeout }),
    },
    clusterRetryStrategy: retryDelay,
    shardedSubscribers: sharded,
    // Subscriptions may wait for the cluster (one for each open room); messages may not.
    enableOfflineQueue: sharded,
    // A certificate names hosts, not addresses.
    ...(target.tls ? { dnsLookup: (address, callback) => callback(null, address) } : {}),
  })

/** A connection for commands, apart from those of the bus. Nothing is kept for a Redis that is away. */
export const connectRedis = (url: string, ca: Ca): Redis | Cluster => {
  const target = parseRedisUrl(url)
  if (target === null) throw new Error('this is no address of Redis')
  const connection =
    target.kind === 'cluster'
      ? connectCluster(target, ca, false, commandTimeoutMs)
      : connectServer(target, ca, commandTimeoutMs)
  // The bus tells of the same.
  connection.on('error', () => undefined)
  return connection
}

export const openRedisLinks = (target: RedisTarget, ca: Ca, listener: RedisLinksListener): RedisLinks =>
  target.kind === 'cluster' ? new ClusterLinks(target, ca, listener) : new ServerLinks(target, ca, listener)

/** Connects anew what ioredis has given up, breaks what is connected, and leaves alone what waits for its next attempt. */
const renew = (connection: Redis | Cluster): void => {
  if (connection.status === 'end') connection.connect().catch(() => undefined)
  else if (connection.status !== 'reconnecting') connection.disconnect(true)
}

class ServerLinks implements RedisLinks {
  private readonly publisher: Redis
  private readonly subscriber: Redis
  private readonly channels = new Set<string>()
  private readonly listener: RedisLinksListener

  constructor(target: RedisTarget, ca: Ca, listener: RedisLinksListener) {
    this.listener = listener
    this.publisher = connectServer(target, ca)
    this.subscriber = connectServer(target, ca)
    for (const connection of [this.publisher, this.subscriber]) {
      // `error` tells why; `close` always follows. Errors of AUTH carry the password beside their message.
      connection.on('error', (error: unknown) => listener.error(messageOf(error)))
      connection.on('close', () => listener.lost())
    }
    this.publisher.on('ready', () => this.readyIfBoth())
    this.subscriber.on('ready', () => {
      this.resubscribe()
      this.readyIfBoth()
    })
    this.subscriber.on('messageBuffer', (channel: Buffer, payload: Buffer) =>
      listener.message(channel.toString(), payload),
    )
  }

  get canPublish(): boolean {
    return this.publisher.status === 'ready'
  }

  publish(channel: string, payload: Uint8Array): Promise<unknown> {
    return this.publisher.publish(channel, asBuffer(payload))
  }

  together(publish: () => void): void {
    const { stream } = this.publisher
    stream.cork()
    publish()
    stream.uncork()
  }

  subscribe(channel: string): void {
    this.channels.add(channel)
    if (this.subscriber.status === 'ready') this.settle(this.subscriber.subscribe(channel))
  }

  unsubscribe(channel: string): void {
    this.channels.delete(channel)
    if (this.subscriber.status === 'ready') this.settle(this.subscriber.unsubscribe(channel))
  }

  reconnect(): void {
    renew(this.publisher)
    renew(this.subscriber)
  }

  close(): void {
    this.publisher.disconnect()
    this.subscriber.disconnect()
  }

  private readyIfBoth(): void {
    if (this.publisher.status === 'ready' && this.subscriber.status === 'ready') this.listener.ready()
  }

  private resubscribe(): void {
    const channels = [...this.channels]
    for (let at = 0; at < channels.length; at += channelsPerCommand) {
      this.settle(this.subscriber.subscribe(...channels.slice(at, at + channelsPerCommand)))
    }
  }

  /** A connection that breaks meanwhile subscribes again later; a refusal (an access list) is told. */
  private settle(command: Promise<unknown>): void {
    command.catch((error: unknown) => this.listener.error(messageOf(error)))
  }
}

class ClusterLinks implements RedisLinks {
  private readonly target: RedisTarget
  private readonly ca: Ca
  private readonly listener: RedisLinksListener
  private readonly publisher: Cluster
  private subscriber: Cluster
  private readonly channels = new Set<string>()
  /** Subscriptions that are not confirmed. */
  private unconfirmed = 0
  /** The subscriber is new: nothing arrives until its first subscriptions are confirmed. */
  private isFresh = true
  private closed = false

  constructor(target: RedisTarget, ca: Ca, listener: RedisLinksListener) {
    this.target = target
    this.ca = ca
    this.listener = listener
    this.publisher = this.watch(connectCluster(target, ca, false))
    this.subscriber = this.openSubscriber()
  }

  get canPublish(): boolean {
    return this.publisher.status === 'ready'
  }

  publish(channel: string, payload: Uint8Array): Promise<unknown> {
    return this.publisher.spublish(channel, asBuffer(payload))
  }

  together(publish: () => void): void {
    publish()
  }

  subscribe(channel: string): void {
    this.channels.add(channel)
    this.send(channel)
  }

  unsubscribe(channel: string): void {
    this.channels.delete(channel)
    this.subscriber.sunsubscribe(channel).catch(() => undefined)
  }

  /** ioredis mends the subscribers of a cluster by itself; where it did not, new ones are made, which forget nothing old. */
  reconnect(): void {
    renew(this.publisher)
    this.subscriber.removeAllListeners()
    this.subscriber.on('error', () => undefined)
    this.subscriber.disconnect()
    this.subscriber = this.openSubscriber()
  }

  close(): void {
    this.closed = true
    this.publisher.disconnect()
    this.subscriber.disconnect()
  }

  private watch(cluster: Cluster): Cluster {
    cluster.on('error', (error: unknown) => this.listener.error(messageOf(error)))
    cluster.on('node error', (error: unknown) => this.listener.error(messageOf(error)))
    cluster.on('close', () => this.listener.lost())
    cluster.on('ready', () => this.listener.ready())
    return cluster
  }

  private openSubscriber(): Cluster {
    const subscriber = this.watch(connectCluster(this.target, this.ca, true))
    // One of the subscribers of the shards is gone: messages of its rooms may be lost.
    subscriber.on('-subscriber', () => this.listener.lost())
    subscriber.on('smessageBuffer', (channel: Buffer, payload: Buffer) =>
      this.listener.message(channel.toString(), payload),
    )
    this.subscriber = subscriber
    this.unconfirmed = 0
    this.isFresh = true
    for (const channel of this.channels) this.send(channel)
    return subscriber
  }

  private send(channel: string): void {
    const { subscriber } = this
    this.unconfirmed++
    subscriber
      .ssubscribe(channel)
      .then(() => this.confirmed(subscriber))
      .catch((error: unknown) => this.refused(subscriber, channel, error))
  }

  private confirmed(subscriber: Cluster): void {
    if (this.closed || subscriber !== this.subscriber || --this.unconfirmed > 0 || !this.isFresh) return
    this.isFresh = false
    this.listener.ready()
  }

  private refused(subscriber: Cluster, channel: string, error: unknown): void {
    if (this.closed) return
    this.listener.error(messageOf(error))
    // The shards are being found: this channel is asked for again, unless somebody made a new subscriber meanwhile.
    setTimeout(() => {
      if (this.closed || subscriber !== this.subscriber) return
      this.unconfirmed--
      if (this.channels.has(channel)) this.send(channel)
    }, retryDelay(5)).unref()
  }
}

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
