/*
 * Which other nodes are alive. Each says so every second; one that was silent for 3 s is gone, and what its connections
 * showed with it. While the bus is away nobody can be heard: presence is kept, and asked for again when the bus heals. Who is
 * dead is told by the nodes' rows then, which the sweep reads; while the database is away as well, nobody is.
 */
import type { Bus, NodeId, NodeMessage } from '../bus/index.js'
import type { Swept } from '../store/types.js'
import { guarded } from './guard.js'
import { NodeRows } from './node-rows.js'
import { answerMs, frozenMs } from './room-presence.js'
import type { RoomObserver } from './types.js'

/** Milliseconds between two signs of life. */
const aliveMs = 1_000

/** Milliseconds between two looks at who is silent. */
const lookMs = 500

/** Milliseconds after which a silent node is gone. */
const silentMs = answerMs

/** Nodes that were given up and are remembered, at most (I6). */
const maxRemembered = 1_024

/** What the watch does to the rooms that are open. */
export interface WatchedRoom {
  readonly presence: {
    ask(): void
    healed(): void
    dropNode(node: NodeId): void
  }
}

/** How a node was given up: it was silent on the bus, or, while that is away, has not renewed its row. */
export type GivenUpBy = 'bus' | 'database'

/** Told of nodes that are given up without a word of theirs, and of those that speak again. */
export interface NodeWatchObserver extends Pick<RoomObserver, 'fault'> {
  gone?(node: NodeId, by: GivenUpBy): void
  back?(node: NodeId): void
}

export class NodeWatch {
  private readonly bus: Bus
  private readonly observer: NodeWatchObserver
  private readonly rooms: () => Iterable<WatchedRoom>
  /** When each node was heard last, or got new grace. */
  private readonly heardAt = new Map<NodeId, number>()
  /** Nodes that were given up: one that speaks again was never dead, and its connections may be there still. */
  private readonly givenUp = new Set<NodeId>()
  private readonly rows: NodeRows
  private readonly timer: NodeJS.Timeout
  private readonly stopListening: readonly (() => void)[]
  private lastTick = performance.now()
  private lastAlive = -Infinity

  /**
   * @param rooms the rooms that are open on this node; asked when something changes
   * @param longestSweep milliseconds between two sweeps of a node that hears the others
   */
  constructor(
    bus: Bus,
    rooms: () => Iterable<WatchedRoom>,
    observer: NodeWatchObserver,
    longestSweep: number,
  ) {
    this.bus = bus
    this.rows = new NodeRows(longestSweep)
    this.observer = observer
    this.rooms = rooms
    this.stopListening = [
      bus.onAnnouncement((message, from) => this.announced(message, from)),
      bus.onHealth((isHealthy) => {
        if (isHealthy) this.healed()
      }),
    ]
    this.timer = setInterval(
      guarded(observer, 'watching the other nodes', () => this.tick()),
      lookMs,
    )
    // The sockets keep the process alive.
    this.timer.unref()
    this.announceAlive()
  }

  /** Nodes that are alive, this one aside. */
  get size(): number {
    return this.heardAt.size
  }

  /** A node says something, whatever it is. */
  heard(node: NodeId): void {
    this.heardAt.set(node, performance.now())
    if (!this.givenUp.delete(node)) return
    this.observer.back?.(node)
    for (const { presence } of this.rooms()) presence.ask()
  }

  /** The sweep has read the nodes' rows. @param interval milliseconds to the next time */
  rowsRead(swept: Swept, interval: number): void {
    const { dead, left } = this.rows.read(swept, this.heardAt.keys(), interval)
    // A node speaks for itself while it can be heard: also one that cannot reach the database.
    if (this.bus.isHealthy) return
    for (const node of dead) this.giveUp(node, 'database')
    for (const node of left) this.left(node)
  }

  /** The sweep has failed. */
  rowsUnread(): void {
    this.rows.failed()
  }

  /** Watches no more, and sends no signs of life. */
  dispose(): void {
    clearInterval(this.timer)
    for (const stop of this.stopListening) stop()
  }

  private announced({ kind }: NodeMessage, from: NodeId): void {
    switch (kind) {
      case 'alive':
        this.heard(from)
        return
      case 'bye':
        this.left(from)
        return
      case 'control':
        // See `Control`.
        this.heard(from)
        return
    }
  }

  private tick(): void {
    const now = performance.now()
    const wasFrozen = now - this.lastTick > lookMs + frozenMs
    this.lastTick = now
    // Timers fire a little late, and now and then early.
    if (now - this.lastAlive > aliveMs - lookMs / 2) this.announceAlive()
    if (wasFrozen) {
      // What the others said meanwhile waits to be read; and they may have given this node up.
      this.graceForAll()
      for (const { presence } of this.rooms()) presence.healed()
      return
    }
    if (!this.bus.isHealthy) return
    if (this.bus.isDoubtful === true) {
      // A frozen Redis silences everybody seconds before it is noticed: nobody is gone for that.
      this.graceForAll()
      return
    }
    for (const [node, at] of this.heardAt) {
      if (now - at >= silentMs) this.giveUp(node, 'bus')
    }
  }

  private giveUp(node: NodeId, by: GivenUpBy): void {
    this.heardAt.delete(node)
    if (this.givenUp.size >= maxRemembered) this.givenUp.clear()
    this.givenUp.add(node)
    this.observer.gone?.(node, by)
    this.drop(node)
  }

  /** It has stopped in good order. */
  private left(node: NodeId): void {
    this.heardAt.delete(node)
    this.givenUp.delete(node)
    this.drop(node)
  }

  private healed(): void {
    this.graceForAll()
    this.announceAlive()
    for (const { presence } of this.rooms()) presence.healed()
  }

  private graceForAll(): void {
    const now = performance.now()
    for (const node of this.heardAt.keys()) this.heardAt.set(node, now)
  }

  private drop(node: NodeId): void {
    for (const { presence } of this.rooms()) presence.dropNode(node)
  }

  private announceAlive(): void {
    this.lastAlive = performance.now()
    if (!this.bus.isAlone) this.bus.announce({ kind: 'alive' })
  }
}
