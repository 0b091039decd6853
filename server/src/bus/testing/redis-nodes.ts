import { asRoomId, type RoomId } from '../../ids.js'
import { until } from '../../testing/until.js'
import { connectRedisBus, type RedisBus, type RedisBusObserver } from '../redis-bus.js'
import { slotCount, slotOf } from '../redis-slots.js'

/** Counts what a bus tells of. */
export class Counts implements RedisBusObserver {
  publishes = 0
  sends = 0
  receptions = 0
  drops = 0
  ignores = 0
  readonly reasons: string[] = []
  readonly faults: unknown[] = []
  published = (messages: number): void => void (this.publishes += messages)
  sent = (): number => this.sends++
  received = (messages: number): void => void (this.receptions += messages)
  dropped = (messages: number): void => void (this.drops += messages)
  ignored = (messages: number): void => void (this.ignores += messages)
  disconnected = (reason: string): void => void this.reasons.push(reason)
  fault = (_message: string, error: unknown): void => void this.faults.push(error)
}

/** Parts of a cluster's slots, so many that each of a few masters has some. */
const parts = 9

/** @returns rooms of which each ninth of the slots has one, in this order */
export const spreadRooms = (next: () => RoomId): RoomId[] => {
  const rooms: RoomId[] = []
  for (let found = 0; found < parts;) {
    const room = next()
    const part = Math.floor((slotOf(`weft:r:${room}`) * parts) / slotCount)
    if (rooms[part] !== undefined) continue
    rooms[part] = room
    found++
  }
  return rooms
}

/** The nodes of one test. */
export class Nodes {
  private readonly open = new Set<RedisBus>()
  private markers = 1_000_000
  private readonly nextMarker = (): RoomId => asRoomId(this.markers++)
  private readonly url: string
  private readonly ca: string | undefined

  constructor(url: string, ca?: string) {
    this.url = url
    this.ca = ca
  }

  /** Without waiting for health. */
  async start(node: string, counts = new Counts()): Promise<RedisBus> {
    const bus = await connectRedisBus({
      url: this.url,
      ...(this.ca === undefined ? {} : { ca: this.ca }),
      node,
      observer: counts,
    })
    this.open.add(bus)
    const close = bus.close.bind(bus)
    return Object.assign(bus, {
      close: () => {
        this.open.delete(bus)
        return close()
      },
    })
  }

  async connect(node: string, counts = new Counts()): Promise<RedisBus> {
    const bus = await this.start(node, counts)
    await until(() => bus.isHealthy, `${node} is healthy`)
    return bus
  }

  /**
   * What was published before has been delivered, and subscriptions hold: every node hears a marker of every other node in rooms
   * that it subscribes to after all that. Redis keeps the order of each connection, of which a cluster has one for each master.
   */
  async settled(): Promise<void> {
    const rooms = this.markerRooms()
    const nodes = [...this.open]
    const missing = new Set(
      rooms.flatMap((room) =>
        nodes.flatMap((a) => nodes.filter((b) => b !== a).map((b) => `${a.node}>${b.node}:${room}`)),
      ),
    )
    const stops = rooms.flatMap((room) =>
      nodes.map((bus) =>
        bus.subscribe(room, (_message, from) => missing.delete(`${from}>${bus.node}:${room}`)),
      ),
    )
    await until(() => {
      for (const room of rooms) for (const bus of nodes) bus.publish(room, { kind: 'presence_wanted' })
      return missing.size === 0
    }, 'every node hears every other')
    for (const stop of stops) stop()
  }

  private markerRooms(): RoomId[] {
    return this.url.includes('+cluster') ? spreadRooms(this.nextMarker) : [this.nextMarker()]
  }

  async close(): Promise<void> {
    await Promise.all([...this.open].map((bus) => bus.close()))
  }
}
