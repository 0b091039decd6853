import { BaseMemory } from './base-memory.js'
import { beforeEach, describe, expect, test } from 'vitest'
import { MemoryBus } from '../bus/index.js'
import { DocWorkers } from '../compaction/index.js'
import { asRoomId } from '../ids.js'
import { Journal } from '../journal/index.js'
import type { CommitEntry, CommitResult, Store } from '../store/types.js'
import { Rooms } from './rooms.js'
import { ScriptedMember, ScriptedOutput, silentObserver } from './testing/scripted.js'

/* Rooms over a store that makes a new, empty one at each opening. */

let rooms: Rooms<ScriptedOutput>
/** Lets the commits through. */
let commit: () => void
/** The rooms that the store has; by default all. */
let isThere: (id: number) => boolean

const nothing = (): void => undefined

beforeEach(() => {
  let opened = 0
  isThere = () => true
  const gate = new Promise<void>((resolve) => (commit = resolve))
  const unused = (): never => {
    throw new Error('the test does not use it')
  }
  const store: Store = {
    connection: { kind: 'embedded', socketPath: '/nonexistent' },
    openRoom: () => Promise.resolve({ id: asRoomId(++opened), epoch: 1, headSeq: 0 }),
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
    { maxBatchEntries: 100, maxBatchBytes: 1e6, maxBytes: 1e6, interval: () => 0, random: () => 0 },
    { committed: nothing, failed: nothing, quarantined: nothing, fault: nothing },
  )
  // Rooms without events load without a worker: none is started.
  const workers = Object.create(DocWorkers.prototype) as DocWorkers
  rooms = new Rooms(
    {
      journal,
      bus: new MemoryBus().connect('a'),
      store,
      workers,
      bases: new BaseMemory(1e9),
      observer: silentObserver,
      options: {
        compactBytes: 1e6,
        presenceEntriesPerConnection: 16,
        holeGrace: 0,
        maxWaitingBytes: 1e6,
        watermarkEvents: 256,
        watermarkInterval: 2_000,
      },
      createOutput: () => new ScriptedOutput(),
      opened: () => undefined,
      heard: () => undefined,
      warn: nothing,
    },
    { idleMs: 3_600_000, concurrentOpens: 4, waitingOpens: 4, maxOpen: 3 },
  )
})

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
})
