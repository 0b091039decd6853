/* One room on a node without a database, threads or sockets: a log in memory, workers and a uWebSockets.js in script. */
import { MemoryBus } from '../../bus/index.js'
import { Coverage, inspectUpdate } from '../../crdt/index.js'
import { asRoomId } from '../../ids.js'
import { Journal } from '../../journal/index.js'
import { FairShares, LoopTurns, TenantCounts } from '../../tenants/index.js'
import { BaseMemory, BatchEnd, Room, RoomQuarantine, type RoomOptions } from '../../room/index.js'
import { ScriptedMember, silentObserver } from '../../room/testing/scripted.js'
import { PublishTurns, RoomChannel } from '../channel.js'
import { MemoryLog } from './memory-log.js'
import { ScriptedApp } from './scripted-uws.js'
import { ScriptedWorkers } from './scripted-workers.js'
import { until } from './turns.js'
import { saying, Typist } from './typist.js'

const nothing = (): void => undefined
const roomId = asRoomId(1)

export class ScriptedNode {
  readonly log = new MemoryLog()
  readonly workers = new ScriptedWorkers(this.log)
  readonly room: Room
  readonly channel: RoomChannel
  readonly uws = new ScriptedApp()
  readonly faults: unknown[] = []
  readonly journal: Journal
  readonly paceBytes = 2_000
  readonly loop = new LoopTurns(new FairShares(100).limit(1e9))
  readonly maxBackpressure = 8_000
  /** Members without a socket, and another node. */
  private readonly typist = new Typist()
  private readonly elsewhere = new Typist()
  private readonly author = new ScriptedMember('a'.repeat(32))
  private n = 0
  private readonly otherBus

  /** @param preload fills the log before the room is opened */
  constructor(preload: (log: MemoryLog) => void = nothing, options: Partial<RoomOptions> = {}) {
    preload(this.log)
    const shared = new MemoryBus()
    const bus = shared.connect('a')
    this.otherBus = shared.connect('b')
    const fault = (_: unknown, error: unknown): void => void this.faults.push(error)
    this.journal = new Journal(
      this.log,
      {
        maxBatchEntries: 100,
        maxBatchBytes: 1e6,
        memory: new FairShares(100).limit(1e8),
        interval: () => 0,
        random: () => 0,
      },
      {
        committed: nothing,
        failed: nothing,
        quarantined: nothing,
        fault: (error) => void this.faults.push(error),
      },
    )
    const loop = this.loop.of('')
    this.channel = new RoomChannel(7, this.uws.app, new PublishTurns(), { published: nothing }, loop, nothing)
    const coverage = new Coverage()
    for (const { kind, payload } of this.log.events) {
      if (kind === 'update') coverage.add(inspectUpdate(payload))
    }
    this.room = new Room(
      '',
      'r',
      {
        id: roomId,
        epoch: 1,
        baseSeq: 0,
        base: null,
        events: [...this.log.events],
        coverage,
        listen: (listener) => bus.subscribe(roomId, listener),
      },
      {
        journal: this.journal.lane(''),
        bus,
        store: this.log,
        workers: this.workers.workers,
        bases: new BaseMemory(1e9).forTenant(),
        usage: new TenantCounts(0).others,
        loop,
        remoteMemory: new FairShares(100).limit(1e9).share(''),
        memory: new FairShares(100).limit(1e9).share(''),
        quarantine: new RoomQuarantine(() => undefined),
        batchEnd: new BatchEnd({ ...silentObserver, fault }),
        observer: { ...silentObserver, fault },
        options: {
          compactBytes: 1e9,
          presenceEntriesPerConnection: 4,
          holeGrace: 1,
          maxWaitingBytes: 1e6,
          watermarkEvents: 1,
          watermarkInterval: 1,
          messageWatermarkInterval: 1,
          maxDocumentBytes: 1e9,
          ...options,
        },
      },
      this.channel,
    )
    this.room.join(this.author)
  }

  /** A change by a member of this node. */
  type(length = 1): void {
    const update = this.typist.type(length)
    this.room.change(this.author, ++this.n, update, inspectUpdate(update))
  }

  say(length = 1): void {
    this.room.append(this.author, ++this.n, 'm', saying(length))
  }

  /** A commit of another node that this one is not told of. */
  foreign(kind: 'update' | 'message'): void {
    const payload = kind === 'update' ? this.elsewhere.type() : Uint8Array.of(1)
    const clientSeq = kind === 'update' ? null : this.log.events.length + 1
    this.log.append({
      kind,
      clientId: 'b'.repeat(32),
      clientSeq,
      name: kind === 'update' ? null : 'm',
      payload,
    })
  }

  /** The other node tells of its commits. */
  tell(): void {
    this.otherBus.publish(roomId, {
      kind: 'committed',
      head: this.log.events.length,
      updates: [],
      messages: [],
    })
  }

  /** Everything is committed, and this node knows it. */
  async committed(): Promise<void> {
    await this.journal.flush()
    this.tell()
    await until(() => this.room.head === this.log.events.length, 'the head of the log')
  }

  dispose(): void {
    this.log.resume()
    this.room.dispose()
  }
}
