import { afterEach, expect, test, vi } from 'vitest'
import type { DocTasks } from '../compaction/index.js'
import { asRoomId } from '../ids.js'
import type { RoomContent } from './content.js'
import { RoomCompaction } from './room-compaction.js'
import { RoomQuarantine } from './room-quarantine.js'
import { silentObserver } from './testing/scripted.js'

const compactionOf = (
  minBytes: number,
  tail = { bytes: 0, length: 0 },
): { compact: ReturnType<typeof vi.fn<DocTasks['compact']>>; compaction: RoomCompaction } => {
  const compact = vi.fn<DocTasks['compact']>(() => Promise.resolve(null))
  const compaction = new RoomCompaction(
    { id: asRoomId(1), epoch: 1, tenant: '', name: 'r' },
    { baseBytes: 0, rebase: () => undefined } as unknown as RoomContent,
    { compact } as unknown as DocTasks,
    silentObserver,
    new RoomQuarantine(() => undefined),
    minBytes,
    tail,
  )
  return { compact, compaction }
}

test('I6: a room of keystrokes is compacted by what they hold in memory, not by their few payload bytes alone', async () => {
  const keystroke = 35
  const { compact, compaction } = compactionOf(200 * keystroke)
  const type = (keystrokes: number): void => {
    for (let i = 0; i < keystrokes; i++) {
      compaction.grew(keystroke, 1)
      compaction.runIfDue()
    }
  }
  type(20)
  expect(compact).not.toHaveBeenCalled()
  type(40)
  expect(compact).toHaveBeenCalledTimes(1)
  await compaction.run()
  // They count no more.
  type(20)
  expect(compact).toHaveBeenCalledTimes(1)
})

afterEach(() => {
  vi.useRealTimers()
})

const large = { bytes: 5_000_000, length: 10 }

test('a room that is opened with a long tail compacts it at once', () => {
  const { compact, compaction } = compactionOf(1_000, { bytes: 2_000, length: 10 })
  compaction.opened()
  expect(compact).toHaveBeenCalledTimes(1)
})

test('a large one lets those in who wait before that', () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  const { compact, compaction } = compactionOf(1_000, large)
  compaction.opened()
  vi.advanceTimersByTime(2_000)
  compaction.grew(10_000, 1)
  compaction.runIfDue()
  expect(compact).not.toHaveBeenCalled()
  vi.advanceTimersByTime(1_000)
  expect(compact).toHaveBeenCalledTimes(1)
})

test('one that closes before that leaves no timer', () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  const { compact, compaction } = compactionOf(1_000, large)
  compaction.opened()
  compaction.dispose()
  vi.advanceTimersByTime(10_000)
  expect(compact).not.toHaveBeenCalled()
})

test('I6: what a room is loaded with counts', () => {
  const { compact, compaction } = compactionOf(1_000, { bytes: 35, length: 10 })
  compaction.runIfDue()
  expect(compact).toHaveBeenCalledTimes(1)
})
