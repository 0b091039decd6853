import type { RoomId } from '../ids.js'
import {
  decodeCommitsPayload,
  decodeNodePayload,
  decodeRoomPayload,
  encodeHearsCommits,
  encodeMessage,
  encodeRoomNotice,
  encodeSender,
  type BusPayload,
  type HearsCommits,
  type RoomNotice,
} from './bus-codec.js'
import { LivenessProbe } from './liveness-probe.js'
import { OlderNodes } from './older-nodes.js'
import { Outbox, type OutboxLimits } from './outbox.js'
import { openRedisLinks, type RedisLinks } from './redis-links.js'
import { spreadTags } from './redis-slots.js'
import { parseRedisUrl } from './redis-url.js'
import type { Bus, BusMessage, NodeId, NodeMessage } from './types.js'

type RoomListener = (message: BusMessage, from: NodeId) => void
type NodeListener = (message: NodeMessage, from: NodeId) => void

/** Told what goes by. All counts are of messages, except where a whole payload cannot be read. */
export interface RedisBusObserver {
  published(messages: number): void
  /** A payload leaves for Redis, with all messages of one channel and turn in it: one PUBLISH. Probes are not counted. */
  sent(): void
  received(messages: number): void
  /** Not sent, or not known to be: Redis is away or too slow. */
  dropped(messages: number): void
  /** Of an unknown kind; or a payload that is malformed, of another version, or foreign. */
  ignored(messages: number): void
  /** Why the connection was lost or refused: the first reason of each outage. */
  disconnected(reason: string): void
  /** A listener threw, or a message could not be written. */
  fault(message: string, error: unknown): void
}

export interface RedisBusOptions {
  /** See `parseRedisUrl`. */
  readonly url: string
  /** Certificates (PEM) of the authorities that sign the servers' own, with `rediss`. Default: those that Node trusts. */
  readonly ca?: string
  readonly node: NodeId
  readonly observer: RedisBusObserver
  /** Begins the name of every channel: deployments that share a Redis need different ones. Default `weft:`. */
  readonly prefix?: string
  /** Default: 16 MiB and 10,000 payloads that Redis has not taken yet. */
  readonly limits?: OutboxLimits
}

const defaultLimits: OutboxLimits = { bytes: 16 * 1024 ** 2, publishes: 10_000 }

/** Probes on a cluster: masters with an equal share of the slots have one at least, if they are no more than this. */
const clusterProbes = 16

/** What a close waits for the last messages to leave, in milliseconds. */
const closeTimeoutMs = 1_000

/**
 * This node's end of a bus over Redis pub/sub. Resolves at once, unhealthy: it becomes healthy when Redis answers, and by
 * itself again after every outage.
 * @throws {TypeError} for a URL that is none; the message does not repeat it
 */
export const connectRedisBus = (options: RedisBusOptions): Promise<RedisBus> =>
  new Promise((resolve) => resolve(new RedisBus(options)))

export class RedisBus implements Bus {
  readonly node: NodeId
  /** Whether another node runs cannot be known in time: there may be one from now on. */
  readonly isAlone = false
  private readonly observer: RedisBusObserver
  private readonly links: RedisLinks
  private readonly outbox: Outbox
  private readonly probe: LivenessProbe
  private readonly prefix: string
  private readonly nodesChannel: string
  private readonly probeChannels: ReadonlySet<string>
  private readonly commitsChannel: string
  private readonly older = new OlderNodes()
  private readonly rooms = new Map<string, Set<{ readonly listener: RoomListener }>>()
  private readonly nodeListeners = new Set<{ readonly listener: NodeListener }>()
  private readonly healthListeners = new Set<{ readonly listener: (isHealthy: boolean) => void }>()
  /** Whether this outage's reason was told. */
  private outageTold = false
  private closing: Promise<void> | null = null

  constructor({ url, ca, node, observer, prefix = 'weft:', limits = defaultLimits }: RedisBusOptions) {
    const target = parseRedisUrl(url)
    if (!target) throw new TypeError('the address of Redis is not a URL like redis://host:6379')
    this.node = node
    this.observer = observer
    this.prefix = prefix
    this.nodesChannel = `${prefix}nodes`
    this.commitsChannel = `${prefix}commits`
    const probeChannel = `${prefix}probe:${node}`
    this.probeChannels = new Set(
      target.kind === 'cluster'
        ? spreadTags(clusterProbes).map((tag) => `${probeChannel}:{${tag}}`)
        : [probeChannel],
    )
    this.probe = new LivenessProbe(
      [...this.probeChannels],
      (nonce) => this.sendProbe(nonce),
      (isHealthy) => this.healthChanged(isHealthy),
      () => this.links.reconnect(),
    )
    this.links = openRedisLinks(target, ca, {
      ready: () => {
        this.probe.lost()
        this.probe.probe()
      },
      lost: () => this.probe.lost(),
      error: (reason) => this.disconnected(reason),
      message: (channel, payload) => this.heard(channel, payload),
    })
    this.outbox = new Outbox(this.links, encodeSender(node), limits, observer)
    this.links.subscribe(this.nodesChannel)
    for (const channel of this.probeChannels) this.links.subscribe(channel)
    this.links.subscribe(this.commitsChannel)
  }

  get isHealthy(): boolean {
    return this.probe.isHealthy
  }

  get isDoubtful(): boolean {
    return this.probe.isDoubtful
  }

  /** Bytes that were published and that Redis has not taken yet. */
  get bytesInFlight(): number {
    return this.outbox.bytesInFlight
  }

  publish(room: RoomId, message: BusMessage): void {
    // One commit holds changes of many rooms: their notices travel as one payload to all nodes, a few bytes each, in place of a
    // publish for every room. Who has not opened a room passes its notice over.
    if (
      message.kind === 'committed' &&
      message.messages.length === 0 &&
      !this.older.isAnyHeard(performance.now())
    )
      this.send(this.commitsChannel, () => encodeRoomNotice(room, message))
    else this.send(this.channelOf(room), () => encodeMessage(message))
  }

  announce(message: NodeMessage): void {
    this.send(this.nodesChannel, () => encodeMessage(message))
    // In the same payload: part of the sign of life, and no message of its own.
    if (message.kind === 'alive' && !this.closing) this.outbox.add(this.nodesChannel, encodeHearsCommits())
  }

  subscribe(room: RoomId, listener: RoomListener): () => void {
    const channel = this.channelOf(room)
    const entry = { listener }
    const listeners = this.rooms.get(channel) ?? new Set<{ readonly listener: RoomListener }>()
    listeners.add(entry)
    if (listeners.size === 1) {
      this.rooms.set(channel, listeners)
      if (!this.closing) this.links.subscribe(channel)
    }
    return () => {
      if (!listeners.delete(entry) || listeners.size > 0) return
      this.rooms.delete(channel)
      if (!this.closing) this.links.unsubscribe(channel)
    }
  }

  onAnnouncement(listener: NodeListener): () => void {
    const entry = { listener }
    this.nodeListeners.add(entry)
    return () => void this.nodeListeners.delete(entry)
  }

  onHealth(listener: (isHealthy: boolean) => void): () => void {
    const entry = { listener }
    this.healthListeners.add(entry)
    return () => void this.healthListeners.delete(entry)
  }

  close(): Promise<void> {
    return (this.closing ??= this.shutDown())
  }

  private async shutDown(): Promise<void> {
    this.probe.close()
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, closeTimeoutMs)))
    await Promise.race([this.outbox.drain(), late])
    clearTimeout(timer)
    this.links.close()
  }

  private channelOf(room: RoomId): string {
    return `${this.prefix}r:${room}`
  }

  private send(channel: string, encode: () => Uint8Array): void {
    if (this.closing) return
    let bytes: Uint8Array
    try {
      bytes = encode()
    } catch (error) {
      this.observer.dropped(1)
      this.observer.fault('a message to the other nodes could not be written', error)
      return
    }
    if (this.outbox.add(channel, bytes)) this.observer.published(1)
  }

  /** Not through the outbox: a full one is no reason to call the connection dead. */
  private sendProbe(nonce: number): void {
    if (!this.links.canPublish) return
    for (const channel of this.probeChannels) {
      this.links.publish(channel, Buffer.from(String(nonce))).catch(() => {
        // Not heard, then: that tells.
      })
    }
  }

  private heard(channel: string, payload: Uint8Array): void {
    if (this.closing) return
    if (this.probeChannels.has(channel)) {
      if (!this.probe.heard(Number(Buffer.from(payload).toString('latin1')), channel))
        this.observer.ignored(1)
      return
    }
    // A copy: listeners keep parts of it, and the buffer of the socket would stay with them.
    const bytes = new Uint8Array(payload)
    if (channel === this.nodesChannel) {
      this.announced(decodeNodePayload(bytes, this.node))
      return
    }
    if (channel === this.commitsChannel) {
      this.committed(decodeCommitsPayload(bytes, this.node))
      return
    }
    const listeners = this.rooms.get(channel)
    // Null: what was on its way when the last listener stopped.
    if (listeners) this.deliver(decodeRoomPayload(bytes, this.node), listeners)
  }

  private announced(payload: BusPayload<NodeMessage | HearsCommits> | 'own' | null): void {
    if (!this.isReadable(payload)) return
    const { from, messages, unknown } = payload
    const told = messages.filter((message) => message.kind !== 'hears_commits')
    if (told.some(({ kind }) => kind === 'alive'))
      this.older.alive(from, told.length < messages.length, performance.now())
    this.deliver({ from, messages: told, unknown }, this.nodeListeners)
  }

  /** What another node has committed, in rooms that are open here or not. */
  private committed(payload: BusPayload<RoomNotice> | 'own' | null): void {
    if (!this.isReadable(payload)) return
    const { from, messages, unknown } = payload
    if (unknown > 0) this.observer.ignored(unknown)
    for (const { room, notice } of messages) {
      const listeners = this.rooms.get(this.channelOf(room))
      if (listeners) this.deliver({ from, messages: [notice], unknown: 0 }, listeners)
    }
  }

  private isReadable<M>(payload: BusPayload<M> | 'own' | null): payload is BusPayload<M> {
    if (payload === null) this.observer.ignored(1)
    return payload !== null && payload !== 'own'
  }

  private deliver<M>(
    payload: BusPayload<M> | 'own' | null,
    listeners: ReadonlySet<{ readonly listener: (message: M, from: NodeId) => void }>,
  ): void {
    if (!this.isReadable(payload)) return
    if (payload.unknown > 0) this.observer.ignored(payload.unknown)
    this.observer.received(payload.messages.length)
    for (const message of payload.messages) {
      for (const entry of [...listeners]) {
        // One that stopped during this payload hears no more of it.
        if (!listeners.has(entry)) continue
        try {
          entry.listener(message, payload.from)
        } catch (error) {
          this.observer.fault('handling a message of another node failed', error)
        }
      }
    }
  }

  private healthChanged(isHealthy: boolean): void {
    if (isHealthy) this.outageTold = false
    for (const { listener } of [...this.healthListeners]) {
      try {
        listener(isHealthy)
      } catch (error) {
        this.observer.fault('handling a change of the health of Redis failed', error)
      }
    }
  }

  private disconnected(reason: string): void {
    if (this.outageTold || this.closing) return
    this.outageTold = true
    this.observer.disconnected(reason)
  }
}
