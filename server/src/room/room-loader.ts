/* Opens a room from the store: what is in the log, and what other nodes say of it meanwhile. */
import { ProtocolError } from '@weft/protocol'
import type { BusMessage, NodeId } from '../bus/index.js'
import { unpackEvents } from '../compaction/index.js'
import { Coverage } from '../crdt/index.js'
import type { Seq } from '../ids.js'
import type { RoomRow, Store, StoredEvent } from '../store/types.js'
import type { LoopLine } from '../tenants/index.js'
import type { LoadedRoom, RoomContext } from './context.js'
import { EarlyMessages } from './early-messages.js'
import { anonymousUpdate, emptyUpdate } from './room-log.js'
import { Room } from './room.js'
import type { RoomOutput } from './types.js'

export interface LoaderDependencies<Output extends RoomOutput> extends Pick<
  RoomContext,
  'bus' | 'observer' | 'quarantine'
> {
  readonly store: Store
  /** Makes the output of a room that is being opened. @param loop whose time it takes to send it */
  createOutput(loop: LoopLine): Output
  /** A room has been opened: see `Sweep`. */
  opened(): void
  /** Another node says something of a room: see `NodeWatch`. */
  heard(node: NodeId): void
  /** Something about a room that an operator should know. */
  warn(message: string, details: Record<string, unknown>): void
}

export interface OpenRoom<Output> {
  readonly room: Room
  readonly output: Output
}

/** The tenant of a room that is being opened. */
export interface LoadingTenant {
  readonly name: string
  readonly context: RoomContext
}

type BusListener = (message: BusMessage, from: NodeId) => void

export class RoomLoader<Output extends RoomOutput> {
  private readonly dependencies: LoaderDependencies<Output>

  constructor(dependencies: LoaderDependencies<Output>) {
    this.dependencies = dependencies
  }

  /** @throws {ProtocolError} `load_failed`, `overloaded`; and whatever the store and the workers fail with */
  async load(tenant: LoadingTenant, name: string): Promise<OpenRoom<Output>> {
    const { store } = this.dependencies
    const row = await store.openRoom(tenant.name, name)
    const { quarantine } = this.dependencies
    if (quarantine.holds(row.id, 'load')) {
      throw new ProtocolError('load_failed', 'the room is set aside for now; its content is unharmed')
    }
    // Before the log is read: what other nodes commit meanwhile is told, and not missed.
    const early = new EarlyMessages()
    let hear: BusListener = (message, from) => early.add(message, from)
    const stop = this.dependencies.bus.subscribe(row.id, (message, from) => {
      this.dependencies.heard(from)
      hear(message, from)
    })
    const listen = (listener: BusListener): (() => void) => {
      hear = listener
      early.replay(listener, this.dependencies.observer)
      return stop
    }
    try {
      const open = await this.read(tenant, name, row, listen)
      quarantine.succeeded(row.id, 'load')
      return open
    } catch (error) {
      stop()
      quarantine.failed({ id: row.id, tenant: tenant.name, name }, 'load', error)
      throw error
    }
  }

  private async read(
    tenant: LoadingTenant,
    name: string,
    row: RoomRow,
    listen: LoadedRoom['listen'],
  ): Promise<OpenRoom<Output>> {
    const { warn } = this.dependencies
    const { workers } = tenant.context
    // A room without events needs no reading: the usual case of a new one.
    const loaded = row.headSeq === 0 ? null : await workers.load({ roomId: row.id, epoch: row.epoch })
    await this.checkStillThere(row)
    for (const problem of loaded?.problems ?? [])
      warn(problem, { tenant: tenant.name, room: name, roomId: row.id })
    const coverage = loaded === null ? new Coverage() : Coverage.restore(loaded.coverage)
    if (!tenant.context.memory.fits(coverage.memoryBytes)) throw full(tenant.context)
    const output = this.dependencies.createOutput(tenant.context.loop)
    const room = new Room(
      tenant.name,
      name,
      {
        id: row.id,
        epoch: row.epoch,
        baseSeq: loaded?.baseSeq ?? 0,
        base: loaded?.base ?? null,
        events: loaded === null ? [] : withPlaceholders(unpackEvents(loaded.events), loaded.quarantined),
        coverage,
        listen,
      },
      tenant.context,
      output,
    )
    this.dependencies.opened()
    return { room, output }
  }

  /** A room that is deleted while it is loaded is not found open. Where several nodes run, the first sweep tells. */
  private async checkStillThere({ id, epoch }: RoomRow): Promise<void> {
    const { store } = this.dependencies
    if (store.connection.kind !== 'embedded') return
    if ((await store.heads([id])).get(id)?.epoch === epoch) return
    throw new ProtocolError('load_failed', 'the room was deleted while it was being loaded')
  }
}

/** The refusal of a room for which there is no place. */
export const full = ({ usage }: RoomContext): ProtocolError => {
  usage.refused++
  return new ProtocolError('overloaded', 'this node has as many rooms open as it may')
}

/**
 * A quarantined event is left out of what is read and keeps its seq: without something in its place the tail would end
 * before it, and everything behind it would be missing (I7: one bad event, never the room).
 */
const withPlaceholders = (
  events: readonly StoredEvent[],
  quarantined: readonly Seq[],
): readonly StoredEvent[] => {
  if (quarantined.length === 0) return events
  const placeholders = quarantined.map((seq) => anonymousUpdate(seq, emptyUpdate, 0))
  return [...events, ...placeholders].sort((a, b) => a.seq - b.seq)
}
