import { BaseMemory } from './base-memory.js'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { MemoryBus } from '../bus/index.js'
import { DocWorkerError, DocWorkers } from '../compaction/index.js'
import { asRoomId } from '../ids.js'
import { Journal } from '../journal/index.js'
import type { LimitName } from '../limits/index.js'
import type { CommitEntry, CommitResult, Store } from '../store/types.js'
import { Rooms, type RoomsOptions } from './rooms.js'
import { inspectUpdate } from '../crdt/index.js'
import { manyClients } from '../crdt/testing/attacks.js'
import { FairShares, LoopTurns, TenantCounts } from '../tenants/index.js'
import { RoomQuarantine } from './room-quarantine.js'
import { ScriptedMember, ScriptedOutput, silentObserver } from './testing/scripted.js'

/* Rooms over a store that makes a new, empty one at each opening. */

let rooms: Rooms<ScriptedOutput>
/** Lets the commits through. */
let commit: () => void
/** The rooms that the store has; by default all. */
let isThere: (id: number) => boolean
/** What a room with events comes to when it is loaded. */
let load: DocWorkers['load']
let headSeq: number

/** The database answers openings; by default it does. */
let answered: Promise<void>
let isLate: boolean
/** Limits that joins were refused for. */
let limited: LimitName[]

const nothing = (): void => undefined

beforeEach(() => makeRooms({}))

const makeRooms = (options: Partial<RoomsOptions>): void => {
  let opened = 0
  answered = Promise.resolve()
  isLate = false
  limited = []
  const shares = new FairShares(50)
  isThere = () => true
  headSeq = 0
  const gate = new Promise<void>((resolve) => (commit = resolve))
  const unused = (): never => {
    throw new Error('the test does not use it')
  }
  const store: Store = {
    connection: { kind: 'embedded', socketPath: '/nonexistent' },
    openRoom: async () => {
      await answered
      return { id: asRoomId(headSeq === 0 ? ++opened : 77), epoch: 1, headSeq }
    },
    commit: async (entries: readonly CommitEntry[]): Promise<CommitResult[]> => {
      await gate
      return entries.map((_, index) => ({ status: 'committed', seq: index + 1 }))
    },
    readEvents: unused,
    readMessages: unused,
    deleteRoom: unused,
    heads: (ids) => Promise.resolve(new Map(ids.filter(isThere).map((id) => [id, { headSeq: 0, epoch: 1 }]))),
    sweep: unused,
    removeNode: unused,
    removeDeadNodes: unused,
    revoke: unused,
    revocations: unused,
    removeRevocations: unused,
    clusterId: unused,
    quarantine: unused,
    ping: unused,
    close: unused,
  }
  const journal = new Journal(
    store,
    {
      maxBatchEntries: 100,
      maxBatchBytes: 1e6,
      memory: shares.limit(1e6),
      interval: () => 0,
      random: () => 0,
    },
    { committed: nothing, failed: nothing, quarantined: nothing, fault: nothing },
  )
  // Rooms without events load without a worker: none is started.
  const workers = Object.create(DocWorkers.prototype) as DocWorkers
  workers.of = () =>
    Object.assign(Object.create(DocWorkers.prototype) as DocWorkers, {
      load: (room: Parameters<typeof load>[0]) => load(room),
    })
  rooms = new Rooms(
    {
      journal,
      bus: new MemoryBus().connect('a'),
      store,
      workers,
      quarantine: new RoomQuarantine(() => undefined),
      bases: new BaseMemory(1e9),
      observer: silentObserver,
      options: {
        compactBytes: 1e6,
        presenceEntriesPerConnection: 16,
        holeGrace: 0,
        maxWaitingBytes: 1e6,
        watermarkEvents: 256,
        watermarkInterval: 2_000,
        messageWatermarkInterval: 2_000,
        maxDocumentBytes: 1e9,
      },
      loop: new LoopTurns(new FairShares(50).limit(1e9)),
      createOutput: () => new ScriptedOutput(),
      opened: () => undefined,
      heard: () => undefined,
      warn: nothing,
      isLate: () => isLate,
      limited: (limit) => limited.push(limit),
    },
    {
      idleMs: 3_600_000,
      concurrentOpens: 4,
      waitingOpens: 4,
      maxWaitMs: 3_600_000,
      maxOpen: 3,
      shares,
      counts: new TenantCounts(0),
      ...options,
    },
  )
}

test('a hold on an ended room does not close the new room of its name', async () => {
  const old = await rooms.open('', 'r')
  old.room.end('room_deleted', 'deleted')
  const fresh = await rooms.open('', 'r')
  expect(fresh.room).not.toBe(old.room)
  old.release()
  expect(fresh.output.disposed).toBe(false)
  const again = await rooms.open('', 'r')
  expect(again.room).toBe(fresh.room)
})

test('I7: a room that cannot be loaded in time is set aside: the next who join it cost no worker, and others load', async () => {
  let loads = 0
  load = () => {
    loads++
    return Promise.reject(new DocWorkerError('timed_out', 'load took longer than 60000 ms'))
  }
  headSeq = 5
  for (let i = 0; i < 3; i++) {
    await expect(rooms.open('', 'sick')).rejects.toMatchObject({ code: 'load_failed' })
  }
  expect(loads).toBe(1)
  headSeq = 0
  expect((await rooms.open('', 'other')).room.id).toBe(1)
})

test('a room that is deleted while it is loaded is not opened; the next attempt finds the new one', async () => {
  isThere = (id) => id !== 1
  await expect(rooms.open('', 'r')).rejects.toMatchObject({ code: 'load_failed' })
  const fresh = await rooms.open('', 'r')
  expect(fresh.room.id).toBe(2)
})

describe('with as many rooms open as there may be', () => {
  const idle = async (name: string): Promise<ScriptedOutput> => {
    const hold = await rooms.open('', name)
    hold.release()
    return hold.output
  }

  test('the longest idle one makes way', async () => {
    const first = await idle('first')
    const second = await idle('second')
    const third = await idle('third')
    await idle('first') // used again
    await rooms.open('', 'fourth')
    expect([first, second, third].map(({ disposed }) => disposed)).toEqual([false, true, false])
    expect(rooms.size).toBe(3)
  })

  test('one that is held, or has members or pending changes, does not', async () => {
    await rooms.open('', 'held')
    const member = new ScriptedMember('aa')
    const joined = await rooms.open('', 'joined')
    joined.room.join(member)
    joined.release()
    const pending = await rooms.open('', 'pending')
    pending.room.join(member)
    pending.room.append(member, 1, 'm', Uint8Array.of(1))
    pending.room.leave(member)
    pending.release()
    await expect(rooms.open('', 'more')).rejects.toMatchObject({ code: 'overloaded' })
    commit()
    await expect.poll(() => pending.room.pending).toBe(0)
    await rooms.open('', 'more')
    expect(pending.output.disposed).toBe(true)
    expect(joined.output.disposed).toBe(false)
  })

  test('I6: a tenant that has its share gets places of its own idle rooms only, and does not close those of another', async () => {
    const other = await rooms.open('other', 'r')
    other.release()
    const first = await rooms.open('greedy', 'first')
    await expect(rooms.open('greedy', 'second')).rejects.toMatchObject({ code: 'overloaded' })
    first.release()
    await rooms.open('greedy', 'second')
    expect([first.output.disposed, other.output.disposed]).toEqual([true, false])
    expect((await rooms.open('third', 'r')).room.tenant).toBe('third')
  })
})

test('I6: what the rooms of a tenant hold of people and authors is bounded, and free again when they close', async () => {
  makeRooms({ maxBytes: 100_000, maxOpen: 100, idleMs: 0 })
  const member = new ScriptedMember('aa')
  const show = (hold: Awaited<ReturnType<typeof rooms.open>>, id: number): boolean => {
    hold.room.join(member)
    const state = JSON.stringify('x'.repeat(10_000))
    return hold.room.setPresence(member, [{ clientId: id, clock: 1, state }], true)
  }
  await rooms.open('other', 'r')
  const shown: boolean[] = []
  const holds = []
  for (let i = 0; i < 6; i++) {
    const hold = await rooms.open('greedy', `r${i}`)
    holds.push(hold)
    shown.push(show(hold, i))
  }
  expect(shown).toEqual([true, true, true, true, false, false])
  const many = inspectUpdate(manyClients(500))
  expect(holds[0]?.room.intake.admits(many)).toBe(false)
  const other = await rooms.open('other', 'r')
  expect(other.room.intake.admits(inspectUpdate(manyClients(2_000)))).toBe(false)
  expect(other.room.intake.admits(many)).toBe(true)
  expect(show(other, 1)).toBe(true)
  holds[0]?.room.leave(member)
  expect(show(holds[5]!, 9)).toBe(true)
})

describe('P77: joins that the node cannot serve', () => {
  const overloaded = {
    code: 'overloaded',
    retryAfter: expect.toSatisfy((ms: number) => ms >= 1_000) as unknown,
  }

  /** The database stands still until the function is called. */
  const stall = (): (() => void) => {
    let resume = nothing
    answered = new Promise((resolve) => (resume = resolve))
    return () => resume()
  }

  test('past the queue are refused at once; those that wait get in', async () => {
    makeRooms({ concurrentOpens: 1, waitingOpens: 2, maxOpen: 10 })
    const resume = stall()
    const inside = ['a', 'b', 'c'].map((name) => rooms.open('', name))
    await expect(rooms.open('', 'd')).rejects.toMatchObject(overloaded)
    // A room that is being opened takes more: they wait for the same.
    inside.push(rooms.open('', 'b'))
    resume()
    await Promise.all(inside)
    expect(limited).toEqual(['join_wait'])
    await rooms.open('', 'd')
  })

  test('that have waited too long are refused, and new ones before they wait; the first goes on', async () => {
    vi.useFakeTimers()
    try {
      makeRooms({ concurrentOpens: 1, waitingOpens: 100, maxWaitMs: 1_000, maxOpen: 10 })
      const resume = stall()
      const first = rooms.open('', 'first')
      const second = expect(rooms.open('', 'second')).rejects.toMatchObject(overloaded)
      await vi.advanceTimersByTimeAsync(600)
      // It would wait for longer than the second has.
      await expect(rooms.open('', 'new')).rejects.toMatchObject(overloaded)
      expect(limited).toHaveLength(1)
      await vi.advanceTimersByTimeAsync(400)
      await second
      expect(limited).toHaveLength(2)
      resume()
      await first
      await rooms.open('', 'second')
      expect(rooms.size).toBe(2)
    } finally {
      vi.useRealTimers()
    }
  })

  test('are refused while the event loop is late, also to rooms that are open', async () => {
    await rooms.open('', 'r')
    isLate = true
    await expect(rooms.open('', 'r')).rejects.toMatchObject(overloaded)
    expect(limited).toEqual(['loop_delay'])
    isLate = false
    await rooms.open('', 'r')
  })
})
