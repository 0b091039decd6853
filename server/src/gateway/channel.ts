/*
 * Where a room's frames go: one uWS topic per dialect in use, each frame encoded once for all its subscribers. No loop over
 * the receivers.
 */
import * as Y from 'yjs'
import { decodeValue, encodeServerFrame, type DurableMessage, type PresenceUser } from '@weft/protocol'
import type { Seq } from '../ids.js'
import type { Room, RoomMember, RoomOutput } from '../room/index.js'
import type { StoredEvent } from '../store/types.js'
import type { LoopLine } from '../tenants/index.js'
import { encodeAddress, encodeStateless } from './hocuspocus-wire.js'
import type { Membership } from './membership.js'
import { encodeAwareness, encodeUpdate, keepAlive } from './yjs-wire.js'

export type Dialect = 'weft' | 'yjs' | 'hocuspocus'

/** The ephemeral broadcasts that are the stateless messages of Hocuspocus: their payload is a string (P70). */
export const statelessName = 'stateless'

/** Sends to every socket on a topic. */
export interface Publisher {
  publish(topic: string, frame: Uint8Array): void
}

/** Counts what leaves the node. */
export interface ChannelObserver {
  /** @param updates updates in the frame; 0 for other frames */
  published(dialect: Dialect, receivers: number, bytes: number, updates: number): void
}

const hexToBytes = (hex: string): Uint8Array => Buffer.from(hex, 'hex')
const noClient = new Uint8Array(16)

/** A message in the log as the wire has it. */
export const durableMessage = (event: StoredEvent): DurableMessage => ({
  seq: event.seq,
  author: event.author,
  clientId: event.clientId === null ? noClient : hexToBytes(event.clientId),
  n: event.clientSeq ?? 1,
  time: event.createdAt,
  name: event.name ?? '',
  payload: event.payload,
})

/** The EVENT frame of a message in the log. */
export const eventFrame = (room: number, event: StoredEvent): Uint8Array =>
  encodeServerFrame({ type: 'event', room, ...durableMessage(event) })

export class RoomChannel implements RoomOutput {
  /** The room's number on this node. */
  readonly number: number
  private readonly apps: Publisher
  private readonly observer: ChannelObserver
  private readonly turns: PublishTurns
  private readonly topics: Record<Dialect, string>
  private readonly live: Record<Dialect, Map<RoomMember, Membership>> = {
    weft: new Map(),
    yjs: new Map(),
    hocuspocus: new Map(),
  }
  /** Session-aware Hocuspocus providers, whose frames name their session: a topic and frames for each. */
  private readonly sessions = new Map<
    RoomMember,
    { readonly membership: Membership; readonly topic: string }
  >()
  private room: Room | null = null
  /** What frames to Hocuspocus providers without a session begin with. */
  private address: Uint8Array | null = null
  /** What had been handed out at the end of this, the last, and the turn before it. */
  private handed: Seq = 0
  private handedBefore: Seq = 0
  private handedSafely: Seq = 0
  /** Whether `PublishTurns` tells it of the end of this turn. */
  isTouched = false
  /** Those on the live topics, in all dialects. */
  receivers = 0
  /** `performance.now()` of the last frame to all stock clients. */
  private lastYjs = 0

  /** Whose time it takes to send something. */
  readonly loop: LoopLine
  private readonly disposed: () => void

  constructor(
    number: number,
    apps: Publisher,
    turns: PublishTurns,
    observer: ChannelObserver,
    loop: LoopLine,
    disposed: () => void,
  ) {
    this.loop = loop
    this.disposed = disposed
    this.number = number
    this.apps = apps
    this.turns = turns
    this.observer = observer
    this.topics = { weft: `w${number}`, yjs: `y${number}`, hocuspocus: `h${number}` }
  }

  /** Tells the channel its room. Called by every join; the first one counts. */
  attach(room: Room): void {
    if (this.room !== null) return
    this.room = room
    this.handed = this.handedBefore = this.handedSafely = room.handed
  }

  /** The room has closed. */
  dispose(): void {
    this.room = null
    this.disposed()
  }

  /**
   * The seq from which a socket is caught up that missed a frame just now. uWS hands published frames to the sockets at
   * the end of a turn of the event loop, so the frame may be of the last turn: what was handed out before that is safe.
   */
  get safeSeq(): Seq {
    return this.handedSafely
  }

  /** Puts a member on the live topic of its dialect. It is on none: whoever syncs has been taken off before. */
  subscribe(member: Membership): void {
    this.receivers++
    if (member.address === null) {
      this.live[member.dialect].set(member, member)
      member.socket.subscribe(this.topics[member.dialect])
    } else {
      const topic = `${this.topics[member.dialect]}/${member.connection}`
      this.sessions.set(member, { membership: member, topic })
      member.socket.subscribe(topic)
    }
  }

  unsubscribe(member: Membership): void {
    const session = this.sessions.get(member)
    if (session !== undefined) {
      this.receivers--
      this.sessions.delete(member)
      member.socket.unsubscribe(session.topic)
    } else if (this.live[member.dialect].delete(member)) {
      this.receivers--
      member.socket.unsubscribe(this.topics[member.dialect])
    }
  }

  updates(updates: readonly Uint8Array[], sender: RoomMember | null): void {
    if (this.live.weft.size > 0) {
      const frame = encodeServerFrame({ type: 'updates', room: this.number, updates })
      this.publish('weft', frame, sender, updates.length)
    }
    if (this.receivers === this.live.weft.size) return
    const [only] = updates
    const update =
      only !== undefined && updates.length === 1 ? only : this.loop.run(() => Y.mergeUpdates([...updates]))
    if (this.live.yjs.size > 0) this.publish('yjs', encodeUpdate(update), sender, updates.length)
    this.publishAddressed((address) => encodeUpdate(update, address), sender, updates.length)
  }

  presence(awareness: Uint8Array, users: readonly PresenceUser[]): void {
    if (this.live.weft.size > 0) {
      if (users.length > 0)
        this.publish('weft', encodeServerFrame({ type: 'users', room: this.number, users }), null, 0)
      this.publish('weft', encodeServerFrame({ type: 'presences', room: this.number, awareness }), null, 0)
    }
    if (this.live.yjs.size > 0) this.publish('yjs', encodeAwareness(awareness), null, 0)
    this.publishAddressed((address) => encodeAwareness(awareness, address), null, 0)
  }

  message(event: StoredEvent): void {
    if (this.live.weft.size > 0) this.publish('weft', eventFrame(this.number, event), null, 0)
  }

  broadcast(sender: RoomMember | null, author: string | null, name: string, payload: Uint8Array): void {
    if (this.live.weft.size > 0) {
      const frame = encodeServerFrame({ type: 'broadcasted', room: this.number, author, name, payload })
      this.publish('weft', frame, sender, 0)
    }
    if (name !== statelessName || this.live.hocuspocus.size + this.sessions.size === 0) return
    const text = decodeValue(payload)
    if (typeof text !== 'string') return
    this.publishAddressed((address) => encodeStateless(text, address), sender, 0)
  }

  /** Not beyond what the sockets have for certain: a frame of this turn may be dropped yet, and the watermark arrive. */
  watermark(seq: Seq): Seq {
    const safe = Math.min(seq, this.safeSeq)
    if (this.live.weft.size > 0) {
      this.publish('weft', encodeServerFrame({ type: 'watermark', room: this.number, seq: safe }), null, 0)
    }
    return safe
  }

  /** Keeps stock clients connected that heard nothing for `ms`: they close after 30 s of silence (P44). */
  keepAlive(ms: number): void {
    if (this.live.yjs.size > 0 && performance.now() - this.lastYjs >= ms)
      this.publish('yjs', keepAlive, null, 0)
  }

  /** Called at the end of a turn in which something was published. @returns whether it is to be called again */
  endTurn(): boolean {
    const { room } = this
    if (room === null) return false
    this.handedSafely = this.handedBefore
    this.handedBefore = this.handed
    this.handed = room.handed
    return this.handed !== this.handedSafely
  }

  /** To Hocuspocus providers: the same bytes to all without a session, and a frame for each session. */
  private publishAddressed(
    encode: (address: Uint8Array) => Uint8Array,
    sender: RoomMember | null,
    updates: number,
  ): void {
    if (this.live.hocuspocus.size > 0) {
      this.address ??= encodeAddress(this.room?.name ?? '')
      this.publish('hocuspocus', encode(this.address), sender, updates)
    }
    for (const [member, { membership, topic }] of this.sessions) {
      if (member === sender || membership.address === null) continue
      const frame = encode(membership.address)
      this.turns.touch(this)
      this.apps.publish(topic, frame)
      this.loop.delivers(1, frame.length)
      this.observer.published('hocuspocus', 1, frame.length, updates)
    }
  }

  private publish(dialect: Dialect, frame: Uint8Array, sender: RoomMember | null, updates: number): void {
    const members = this.live[dialect]
    const topic = this.topics[dialect]
    this.turns.touch(this)
    const own = sender === null ? undefined : members.get(sender)
    // A frame that leaves its sender out keeps everybody else alive: one who types alone hears nothing (P44).
    if (dialect === 'yjs' && own === undefined) this.lastYjs = performance.now()
    const receivers = own === undefined ? members.size : members.size - 1
    if (receivers === 0) return
    if (own?.socket.publish(topic, frame) !== true) this.apps.publish(topic, frame)
    this.loop.delivers(receivers, frame.length)
    this.observer.published(dialect, receivers, frame.length, updates)
  }
}

/** Tells channels when a turn of the event loop in which they published is over. */
export class PublishTurns {
  private touched: RoomChannel[] = []

  touch(channel: RoomChannel): void {
    if (channel.isTouched) return
    channel.isTouched = true
    this.touched.push(channel)
    if (this.touched.length === 1) setImmediate(this.endTurn)
  }

  private readonly endTurn = (): void => {
    const { touched } = this
    this.touched = []
    for (const channel of touched) {
      channel.isTouched = false
      if (channel.endTurn()) this.touch(channel)
    }
  }
}
