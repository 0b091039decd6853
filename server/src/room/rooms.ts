/*
 * The rooms that are open on this node. Opening is single flight per room and bounded per node; a room without members is
 * compacted and closed after a while.
 */
import { ProtocolError } from '@weft/protocol'
import type { DocWorkers } from '../compaction/index.js'
import type { Journal } from '../journal/index.js'
import type { LimitName } from '../limits/index.js'
import {
  FairTurns,
  joinMs,
  type FairShares,
  type LoopTurns,
  type Share,
  type SharedLimit,
  type TenantCounts,
} from '../tenants/index.js'
import type { BaseMemory } from './base-memory.js'
import { BatchEnd } from './batch-end.js'
import type { RoomContext } from './context.js'
import type { Room } from './room.js'
import { full, RoomLoader, type LoaderDependencies, type OpenRoom } from './room-loader.js'
import type { RoomOutput } from './types.js'

export interface RoomsOptions {
  /** Milliseconds that a room without members stays open. */
  readonly idleMs: number
  /** Rooms that are loaded at the same time; further ones wait. */
  readonly concurrentOpens: number
  /** Rooms waiting to be loaded; beyond them joins are refused as `overloaded`. */
  readonly waitingOpens: number
  /** Milliseconds that a room may wait to be loaded; then its joins are refused, and new ones before they wait as long. */
  readonly maxWaitMs: number
  /** Rooms open on this node at once. */
  readonly maxOpen: number
  /** Bytes of presence and authors that all rooms hold. Default: 512 MiB. */
  readonly maxBytes?: number
  /** How the tenants share these limits. */
  readonly shares: FairShares
  /** What is counted of each tenant. */
  readonly counts: TenantCounts
}

export interface RoomsDependencies<Output extends RoomOutput>
  extends LoaderDependencies<Output>, Pick<RoomContext, 'options'> {
  readonly journal: Journal
  readonly workers: DocWorkers
  readonly bases: BaseMemory
  /** How the tenants share the event loop. */
  readonly loop: LoopTurns
  /** The node has more to do than it can: no one is let in who is not there yet. */
  isLate(): boolean
  /** A join was refused for a limit. */
  limited(limit: LimitName): void
}

/** What a tenant has on this node; let go of with its last room. */
interface TenantRooms<Output> {
  readonly name: string
  /** Rooms open or being opened. */
  readonly share: Share
  /** Slots that wait to be closed, the longest idle first. */
  readonly idle: Map<string, Slot<Output>>
  readonly context: RoomContext
}

interface Slot<Output> {
  readonly tenant: TenantRooms<Output>
  readonly opening: Promise<OpenRoom<Output>>
  open: OpenRoom<Output> | null
  /** Joins between `open` and `join`: they keep the room open. */
  holds: number
  idle: NodeJS.Timeout | null
  /** One hold fewer. */
  readonly release: () => void
  readonly close: () => void
}

/** A room that stays open at least until `release`. */
export interface RoomHold<Output> extends OpenRoom<Output> {
  release(): void
}

/** A class, not a closure: every member of every room keeps one. */
class Hold<Output> implements RoomHold<Output> {
  readonly room: Room
  readonly output: Output
  private slot: Slot<Output> | null

  constructor(room: Room, output: Output, slot: Slot<Output>) {
    this.room = room
    this.output = output
    this.slot = slot
  }

  release(): void {
    this.slot?.release()
    this.slot = null
  }
}

/** After about so many milliseconds those may try again that were refused. */
const shedMs = 2_000

/** Bytes of other nodes' uncommitted updates that all rooms of a node hold together. */
const maxRemoteBytes = 64 * 1024 * 1024

/** Bytes of presence, of what is known of authors, and of what waits for changes that never came, that all rooms hold together. */
const maxRoomBytes = 512 * 1024 * 1024

const keyOf = (tenant: string, name: string): string => `${tenant}\0${name}`

export class Rooms<Output extends RoomOutput> {
  private readonly dependencies: RoomsDependencies<Output>
  private readonly options: RoomsOptions
  private readonly slots = new Map<string, Slot<Output>>()
  private readonly tenants = new Map<string, TenantRooms<Output>>()
  private readonly openRooms: SharedLimit
  private readonly remoteMemory: SharedLimit
  private readonly memory: SharedLimit
  private readonly loader: RoomLoader<Output>
  private readonly turns: FairTurns
  private readonly batchEnd: BatchEnd

  constructor(dependencies: RoomsDependencies<Output>, options: RoomsOptions) {
    this.dependencies = dependencies
    this.options = options
    this.loader = new RoomLoader(dependencies)
    const { shares } = options
    this.openRooms = shares.limit(options.maxOpen)
    this.remoteMemory = shares.limit(maxRemoteBytes)
    this.memory = shares.limit(options.maxBytes ?? maxRoomBytes)
    this.turns = new FairTurns(options.concurrentOpens, shares.limit(options.waitingOpens), options.maxWaitMs)
    this.batchEnd = new BatchEnd(dependencies.observer)
  }

  /** Rooms open or being opened. */
  get size(): number {
    return this.slots.size
  }

  *[Symbol.iterator](): Iterator<Room> {
    for (const { open } of this.slots.values()) if (open !== null) yield open.room
  }

  /**
   * Opens a room, or finds it open. The caller releases the hold once its member has joined, or does not join after all.
   * @throws {ProtocolError} `load_failed` (retryable): the room could not be read; `overloaded`: too many at once (P77)
   */
  async open(tenant: string, name: string): Promise<RoomHold<Output>> {
    if (this.dependencies.isLate()) throw this.shed('loop_delay')
    const loop = this.dependencies.loop.of(tenant)
    const turn = loop.turn(joinMs)
    if (turn !== null) await turn
    const key = keyOf(tenant, name)
    const known = this.slots.get(key)
    // A room that was deleted under us is closed; the name may be a new room by now.
    if (known?.open?.room.isEnded === true) this.closeSlot(key, known)
    const slot = this.slots.get(key) ?? this.openSlot(key, tenant, name)
    slot.holds++
    if (slot.idle !== null) clearTimeout(slot.idle)
    slot.idle = null
    slot.tenant.idle.delete(key)
    try {
      const { room, output } = await slot.opening
      await loop.turn(joinMs)
      return new Hold(room, output, slot)
    } catch (error) {
      slot.release()
      throw error
    }
  }

  /** The room, if it is open here. */
  find(tenant: string, name: string): Room | null {
    return this.slots.get(keyOf(tenant, name))?.open?.room ?? null
  }

  /** Closes every room; for the shutdown, after the journal has been flushed. The log has everything. */
  async close(): Promise<void> {
    await Promise.allSettled([...this.slots.values()].map(({ opening }) => opening))
    for (const [key, slot] of [...this.slots]) this.closeSlot(key, slot)
  }

  private openSlot(key: string, tenantName: string, name: string): Slot<Output> {
    const tenant = this.tenants.get(tenantName) ?? this.newTenant(tenantName)
    if (!tenant.share.fits(1) && !evict(tenant) && !this.evictLarger(tenant)) throw full(tenant.context)
    if (!tenant.context.memory.fits(1) && !evict(tenant)) throw full(tenant.context)
    this.tenants.set(tenantName, tenant)
    tenant.share.add(1)
    const opening = this.load(tenant, name)
    const release = (): void => {
      slot.holds--
      if (slot.open !== null) this.settle(key, slot, slot.open)
    }
    const close = (): void => this.closeSlot(key, slot)
    const slot: Slot<Output> = { tenant, opening, open: null, holds: 0, idle: null, release, close }
    this.slots.set(key, slot)
    opening.then((open) => (slot.open = open), close)
    return slot
  }

  private newTenant(name: string): TenantRooms<Output> {
    const { journal, bus, store, workers, bases, quarantine, observer, options } = this.dependencies
    this.options.shares.meet(name)
    const context = {
      journal: journal.lane(name),
      bus,
      store,
      workers: workers.of(name),
      bases: bases.forTenant(),
      remoteMemory: this.remoteMemory.share(name),
      memory: this.memory.share(name),
      batchEnd: this.batchEnd,
      quarantine,
      observer,
      options,
      usage: this.options.counts.of(name),
      loop: this.dependencies.loop.of(name),
    }
    return { name, share: this.openRooms.share(name), idle: new Map(), context }
  }

  /** A tenant that has its share, and nothing idle, gets the place of an idle room of one that has more. */
  private evictLarger({ share }: TenantRooms<Output>): boolean {
    let largest: TenantRooms<Output> | null = null
    for (const other of this.tenants.values()) {
      if (other.share.used <= share.used + 1 || other.idle.size === 0) continue
      if (other.share.used > (largest?.share.used ?? 0)) largest = other
    }
    return largest !== null && evict(largest)
  }

  private settle(key: string, slot: Slot<Output>, { room }: OpenRoom<Output>): void {
    if (slot.holds > 0 || room.memberCount > 0 || slot.idle !== null) return
    if (room.isEnded && room.pending === 0) {
      this.closeSlot(key, slot)
      return
    }
    // An ended room whose name is a new one by now has been closed already.
    if (this.slots.get(key) !== slot) return
    slot.idle = setTimeout(() => void this.closeIdle(key, slot, room), this.options.idleMs)
    slot.tenant.idle.set(key, slot)
  }

  private async closeIdle(key: string, slot: Slot<Output>, room: Room): Promise<void> {
    if (!room.isCompact && !room.isEnded && room.pending === 0) {
      try {
        await room.compact()
      } catch (error) {
        // The log has everything; the next opening reads it and tries again.
        this.dependencies.observer.fault('compaction of an idle room failed', error)
      }
    }
    if (this.slots.get(key) !== slot || slot.holds > 0 || room.memberCount > 0) return
    // Never closed while something of it is not committed: the journal still refers to it.
    if (room.pending > 0)
      slot.idle = setTimeout(() => void this.closeIdle(key, slot, room), this.options.idleMs)
    else this.closeSlot(key, slot)
  }

  private closeSlot(key: string, slot: Slot<Output>): void {
    // By the slot and not by the name alone: an ended room's name may belong to a new room.
    if (this.slots.get(key) !== slot) return
    this.slots.delete(key)
    const { tenant } = slot
    tenant.idle.delete(key)
    tenant.share.add(-1)
    if (tenant.share.used === 0) this.tenants.delete(tenant.name)
    if (slot.idle !== null) clearTimeout(slot.idle)
    slot.open?.room.dispose()
  }

  private async load(tenant: TenantRooms<Output>, name: string): Promise<OpenRoom<Output>> {
    if (!(await this.turns.begin(tenant.name))) {
      tenant.context.usage.refused++
      throw this.shed('join_wait')
    }
    try {
      return await this.loader.load(tenant, name)
    } catch (error) {
      if (error instanceof ProtocolError) throw error
      const what = tenant.name === '' ? '' : ` of the tenant ${JSON.stringify(tenant.name)}`
      this.dependencies.observer.fault(`loading the room ${JSON.stringify(name)}${what} failed`, error)
      // The reason stays in the log: it may name hosts and tables.
      throw new ProtocolError('load_failed', 'the room could not be loaded now; its content is unharmed')
    } finally {
      this.turns.end(tenant.name)
    }
  }

  /** The refusal of a join, so that those who are in and those who wait already fare no worse. */
  private shed(limit: LimitName): ProtocolError {
    this.dependencies.limited(limit)
    return new ProtocolError(
      'overloaded',
      'the server has too much to do; try again later',
      // Spread out, or they all come back as one.
      Math.round(shedMs * (0.5 + Math.random())),
    )
  }
}

/** Closes the longest idle room that can be closed; its tail is compacted the next time. @returns whether there was one */
const evict = <Output>({ idle }: TenantRooms<Output>): boolean => {
  for (const slot of idle.values()) {
    if (slot.open === null || slot.open.room.pending > 0) continue
    slot.close()
    return true
  }
  return false
}
