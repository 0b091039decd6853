import { expect, test } from 'vitest'
import { DocWorkerError } from '../compaction/index.js'
import { asRoomId } from '../ids.js'
import { StoreError } from '../store/types.js'
import { RoomQuarantine, type QuarantinedRoom } from './room-quarantine.js'

const room = { id: asRoomId(1), tenant: 't', name: 'r' }
const tooLong = new DocWorkerError('timed_out', 'load took longer than 60000 ms')

const quarantine = (): { now: number; told: QuarantinedRoom[]; rooms: RoomQuarantine } => {
  const clock = { now: 0, told: [] as QuarantinedRoom[], rooms: null as unknown as RoomQuarantine }
  clock.rooms = new RoomQuarantine(
    (each) => clock.told.push(each),
    () => clock.now,
  )
  return clock
}

test('I7: a room that fails is left alone, longer each time and ten minutes at most, and told of each time', () => {
  const clock = quarantine()
  const { rooms, told } = clock
  const waits: number[] = []
  for (let i = 0; i < 7; i++) {
    rooms.failed(room, 'load', tooLong)
    expect(rooms.holds(room.id, 'load')).toBe(true)
    expect(rooms.size).toBe(1)
    waits.push(told[i]!.retryMs)
    clock.now += told[i]!.retryMs
    expect(rooms.holds(room.id, 'load')).toBe(false)
    expect(rooms.size).toBe(0)
  }
  expect(waits).toEqual([30_000, 60_000, 120_000, 240_000, 480_000, 600_000, 600_000])
  expect(told[0]).toMatchObject({ ...room, task: 'load', failures: 1, reason: tooLong.message })
  rooms.succeeded(room.id, 'load')
  rooms.failed(room, 'load', tooLong)
  expect(told.at(-1)?.retryMs).toBe(30_000)
})

test('a task does not hold the other, and what the room is not to blame for holds neither', () => {
  const { rooms, told } = quarantine()
  rooms.failed(room, 'load', new StoreError('transient', 'away', null))
  rooms.failed(room, 'load', new DocWorkerError('busy', 'busy'))
  rooms.failed(room, 'load', new DocWorkerError('closed', 'closing'))
  expect(told).toEqual([])
  rooms.failed(room, 'compact', new DocWorkerError('crashed', 'out of memory'))
  expect([rooms.holds(room.id, 'load'), rooms.holds(room.id, 'compact')]).toEqual([false, true])
})

test('I6: a room is compacted without a document for an hour, and only so many are remembered', () => {
  const clock = quarantine()
  clock.rooms.makePlain(room.id)
  expect(clock.rooms.isPlain(room.id)).toBe(true)
  clock.now += 3_600_001
  expect(clock.rooms.isPlain(room.id)).toBe(false)
  for (let id = 1; id <= 10_001; id++) clock.rooms.failed({ ...room, id: asRoomId(id) }, 'load', tooLong)
  expect(clock.rooms.size).toBe(10_000)
  expect(clock.rooms.holds(asRoomId(1), 'load')).toBe(false)
})
