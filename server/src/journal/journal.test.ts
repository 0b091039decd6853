import fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import { asRoomId } from '../ids.js'
import { StoreError, type CommitLog } from '../store/types.js'
import { FairShares } from '../tenants/index.js'
import { fullJitter } from './backoff.js'
import { Journal, type JournalOptions } from './journal.js'
import type { JournalLane } from './lane.js'
import { Recorder, ScriptedLog, tagOf, type Call } from './testing/scripted-log.js'
import type { JournalEntry, JournalResult } from './types.js'

const away = new StoreError('transient', 'the database is away', null)
const poison = new StoreError('rejected', 'bad data', '22000')

const options: Omit<JournalOptions, 'memory'> = {
  maxBatchEntries: 100,
  maxBatchBytes: 10_000,
  interval: () => 0,
  random: () => 0.999,
}

const settled: { tag: number; result: JournalResult }[] = []

const entry = (tag: number, room = 1, bytes = 1): JournalEntry => {
  const payload = new Uint8Array(bytes)
  payload[0] = tag
  return {
    roomId: asRoomId(room),
    epoch: 1,
    kind: 'update',
    author: null,
    clientId: null,
    clientSeq: null,
    name: null,
    payload,
    settle: (result) => settled.push({ tag, result }),
  }
}

const make = (
  log: CommitLog,
  changed: Partial<JournalOptions> & { readonly maxBytes?: number } = {},
): { journal: Journal; lane: JournalLane; seen: Recorder } => {
  const seen = new Recorder()
  const memory = new FairShares(50).limit(changed.maxBytes ?? 10_000)
  const journal = new Journal(log, { ...options, ...changed, memory }, seen)
  return { journal, lane: journal.lane(''), seen }
}

const tags = (): number[] => settled.map(({ tag }) => tag)

beforeEach(() => {
  settled.length = 0
})

describe('group commit', () => {
  test('one transaction is in flight; what comes meanwhile is the next batch, so batches grow with load', async () => {
    const log = new ScriptedLog()
    const { journal, lane, seen } = make(log)
    let called = log.next()
    lane.append(entry(1))
    lane.append(entry(2))
    const first = await called
    // What came in one turn goes in one batch.
    expect(first.entries.map(tagOf)).toEqual([1, 2])
    for (let tag = 3; tag < 20; tag++) lane.append(entry(tag))
    expect([log.calls.length, journal.depth, tags()]).toEqual([1, 19, []])
    called = log.next()
    first.commit()
    const second = await called
    expect(second.entries).toHaveLength(17)
    second.commit()
    await journal.flush()
    expect(seen.batches).toEqual([2, 17])
    expect(log.mostInFlight).toBe(1)
    expect([journal.depth, journal.depthBytes]).toEqual([0, 0])
    expect(tags()).toEqual(Array.from({ length: 19 }, (_, i) => i + 1))
  })

  test('I1: nothing is settled before its commit has returned', async () => {
    const log = new ScriptedLog()
    const { journal, lane } = make(log)
    const called = log.next()
    lane.append(entry(1))
    const call = await called
    expect(settled).toEqual([])
    call.commit()
    await journal.flush()
    expect(settled).toEqual([{ tag: 1, result: { status: 'committed', seq: 1 } }])
  })

  test('a batch is bounded by entries and by bytes; an entry that is larger goes alone', async () => {
    const log = new ScriptedLog()
    const { journal, lane, seen } = make(log, { maxBatchEntries: 3, maxBatchBytes: 100 })
    const sizes = [40, 40, 40, 500, 1, 1, 1, 1]
    for (const [i, size] of sizes.entries()) lane.append(entry(i, 1, size))
    for (let done = 0; done < 5; done++) {
      const call = log.calls[done] ?? (await log.next())
      call.commit()
    }
    await journal.flush()
    expect(seen.batches).toEqual([2, 1, 1, 3, 1])
    expect(tags()).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
  })

  test('under load transactions start at least the interval apart; after a quiet moment one starts at once', async () => {
    const log = new ScriptedLog()
    const interval = 40
    const { journal, lane } = make(log, { interval: () => interval })
    let called = log.next()
    lane.append(entry(1))
    const first = await called
    const started = performance.now()
    called = log.next()
    first.commit()
    await new Promise((resolve) => setImmediate(resolve))
    expect(tags()).toEqual([1])
    lane.append(entry(2))
    await Promise.resolve()
    // The pause gathers.
    lane.append(entry(3))
    const second = await called
    expect(performance.now() - started).toBeGreaterThan(interval - 5)
    expect(second.entries.map(tagOf)).toEqual([2, 3])
    second.commit()
    await journal.flush()
  })
})

describe('failures', () => {
  test('a transient error is tried again with the same entries, and later ones wait behind them', async () => {
    const log = new ScriptedLog()
    const { journal, lane, seen } = make(log, { random: () => 0 })
    let called = log.next()
    lane.append(entry(1))
    for (let failures = 0; failures < 4; failures++) {
      const call = await called
      expect(call.entries.map(tagOf)).toEqual([1])
      lane.append(entry(10 + failures))
      called = log.next()
      call.fail(failures % 2 === 0 ? away : new Error('an error of no known kind is transient too'))
    }
    expect(settled).toEqual([])
    const last = await called
    called = log.next()
    last.commit()
    ;(await called).commit()
    await journal.flush()
    expect(seen.attempts).toEqual([0, 1, 2, 3])
    expect(tags()).toEqual([1, 10, 11, 12, 13])
    expect(seen.quarantinedTags).toEqual([])
  })

  test.each([
    [0, 50],
    [1, 100],
    [5, 1_600],
    [6, 2_000],
    [1_000, 2_000],
  ])('backoff: retry %i waits a uniform time up to %i ms', (attempt, ceiling) => {
    const bounds = { initial: 50, max: 2_000 }
    expect(fullJitter(attempt, bounds, () => 0)).toBe(0)
    expect(fullJitter(attempt, bounds, () => 0.5)).toBe(ceiling / 2)
    expect(fullJitter(attempt, bounds, () => 1)).toBe(ceiling)
  })

  test('P23: a rejected batch is bisected, exactly the poisoned entries are quarantined, order is kept in each room', async () => {
    const rooms = 3
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ room: fc.nat(rooms - 1), poisoned: fc.boolean(), outage: fc.nat(9) }), {
          maxLength: 40,
          size: 'max',
        }),
        fc.integer({ min: 1, max: 12 }),
        async (script, maxBatchEntries) => {
          settled.length = 0
          const committed: number[][] = Array.from({ length: rooms }, () => [])
          let calls = 0
          const log: CommitLog = {
            commit: async (entries) => {
              await Promise.resolve()
              calls++
              // Now and then the database is away, in the middle of a bisection as well.
              if (script[calls % script.length]?.outage === 0 && calls % 3 === 0) throw away
              if (entries.some((each) => script[tagOf(each)]!.poisoned)) throw poison
              return entries.map((each) => ({
                status: 'committed',
                seq: committed[each.roomId]!.push(tagOf(each)),
              }))
            },
          }
          const { journal, lane, seen } = make(log, { maxBatchEntries, random: () => 0 })
          for (const [tag, { room }] of script.entries()) lane.append(entry(tag, room))
          await journal.flush()
          const bad = script.flatMap(({ poisoned }, tag) => (poisoned ? [tag] : []))
          expect(seen.quarantinedTags).toEqual(bad)
          // Each is settled once, with its own result, in the order of append.
          expect(tags()).toEqual(script.map((_, tag) => tag))
          for (const { tag, result } of settled) {
            expect(result.status).toBe(script[tag]!.poisoned ? 'quarantined' : 'committed')
            const { room } = script[tag]!
            if ('seq' in result) expect(committed[room]![result.seq - 1]).toBe(tag)
          }
          for (const [room, inLog] of committed.entries()) {
            expect(inLog).toEqual(
              script.flatMap((each, tag) => (each.room === room && !each.poisoned ? [tag] : [])),
            )
          }
          expect([journal.depth, journal.depthBytes]).toEqual([0, 0])
        },
      ),
      // Each outage costs 5 ms of backoff.
      { numRuns: 60 },
    )
  })

  test('a settle that throws is reported, and stops neither its batch nor the journal', async () => {
    const log = new ScriptedLog()
    const { journal, lane, seen } = make(log)
    const called = log.next()
    const broken = {
      ...entry(1),
      settle: () => {
        throw new Error('a fault of the room')
      },
    }
    lane.append(broken)
    lane.append(entry(2))
    ;(await called).commit()
    await journal.flush()
    const again = log.next()
    lane.append(entry(3))
    ;(await again).commit()
    await journal.flush()
    expect(seen.faults).toEqual([new Error('a fault of the room')])
    expect(tags()).toEqual([2, 3])
    expect([journal.depth, journal.depthBytes]).toEqual([0, 0])
  })
})

describe('I6: the limit', () => {
  test('hasRoom counts what waits and what is in flight; one entry always fits an empty journal', async () => {
    const log = new ScriptedLog()
    const { journal, lane } = make(log, { maxBytes: 1_000 })
    expect(lane.hasRoom(1_000_000)).toBe(true)
    const called = log.next()
    lane.append(entry(1, 1, 300))
    const call = await called
    const overhead = journal.depthBytes - 300
    expect(lane.hasRoom(1_000 - 300 - 2 * overhead)).toBe(true)
    expect(lane.hasRoom(1_000 - 300 - 2 * overhead + 1)).toBe(false)
    call.commit()
    await journal.flush()
    expect(lane.hasRoom(1_000_000)).toBe(true)
  })
})

describe('shutdown', () => {
  test('close ends pauses at once, waits for the commits, and has nothing unsaved', async () => {
    const log = new ScriptedLog()
    const { journal, lane } = make(log, { interval: () => 3_600_000 })
    let called = log.next()
    lane.append(entry(1))
    ;(await called).commit()
    await journal.flush()
    // This one would wait for an hour.
    called = log.next()
    lane.append(entry(2))
    const closed = journal.close(3_600_000)
    ;(await called).commit()
    expect(await closed).toBe(0)
    expect(tags()).toEqual([1, 2])
    expect(lane.hasRoom(0)).toBe(false)
  })

  test('close cuts a backoff short: the database may be back already', async () => {
    const log = new ScriptedLog()
    const hour = 3_600_000
    const { journal, lane } = make(log, { random: () => hour / 50 })
    let called = log.next()
    lane.append(entry(1))
    const call = await called
    called = log.next()
    call.fail(away)
    await Promise.resolve()
    const closed = journal.close(hour)
    ;(await called).commit()
    expect(await closed).toBe(0)
  })

  test('past the deadline close tells how many are unsaved, and nothing is tried any more', async () => {
    let calls = 0
    const log: CommitLog = {
      commit: () => {
        calls++
        return Promise.reject(away)
      },
    }
    const { journal, lane } = make(log, { maxBatchEntries: 2 })
    for (let tag = 0; tag < 5; tag++) lane.append(entry(tag))
    expect(await journal.close(30)).toBe(5)
    expect(journal.depth).toBe(5)
    expect(settled).toEqual([])
    await journal.flush()
    const after = calls
    lane.append(entry(9))
    await journal.flush()
    expect(calls).toBe(after)
    expect(journal.depth).toBe(6)
  })

  test('a commit that hangs does not hold the deadline up', async () => {
    const log = new ScriptedLog()
    const { journal, lane } = make(log)
    lane.append(entry(1))
    expect(await journal.close(20)).toBe(1)
  })
})

describe('I6: tenants', () => {
  test('the backlog of one does not hold up the commits of another; the order of each is kept', async () => {
    const log = new ScriptedLog()
    const { journal } = make(log, { maxBatchEntries: 10, maxBytes: 1_000_000 })
    const [flood, other] = [journal.lane('flood'), journal.lane('other')]
    const called = log.next()
    for (let tag = 0; tag < 100; tag++) flood.append(entry(tag, 1))
    const first = await called
    for (let tag = 200; tag < 203; tag++) other.append(entry(tag, 2))
    const second = log.next()
    first.commit()
    const call = await second
    expect(call.entries.map(({ roomId }) => roomId).sort()).toEqual([1, 1, 1, 1, 1, 2, 2, 2])
    const answer = (next: Call): void => {
      void log.next().then(answer)
      next.commit()
    }
    void log.next().then(answer)
    call.commit()
    await journal.flush()
    expect(log.rooms.get(1)).toEqual(Array.from({ length: 100 }, (_, tag) => tag))
    expect(log.rooms.get(2)).toEqual([200, 201, 202])
    expect([journal.depth, journal.depthBytes]).toEqual([0, 0])
  })

  test('however much one has to commit, the next transaction is as short as it may be for the others', async () => {
    const log = new ScriptedLog()
    const { journal, lane } = make(log, { maxBatchEntries: 10, maxTenantEntries: 3, maxBytes: 1_000_000 })
    const flood = journal.lane('flood')
    const sizes: number[] = []
    const answer = (next: Call): void => {
      void log.next().then(answer)
      sizes.push(next.entries.length)
      next.commit()
    }
    void log.next().then(answer)
    for (let tag = 0; tag < 7; tag++) flood.append(entry(tag, 1))
    await journal.flush()
    expect(sizes).toEqual([3, 3, 1])
    // One that has the node for itself takes all of it.
    for (let tag = 0; tag < 7; tag++) lane.append(entry(tag, 2))
    await journal.flush()
    expect(sizes).toEqual([3, 3, 1, 7])
  })

  test('one that has its share of the memory is refused, and another is not', () => {
    const log = new ScriptedLog()
    const { journal } = make(log, { maxBytes: 100_000 })
    const [flood, other] = [journal.lane('flood'), journal.lane('other')]
    for (let tag = 0; flood.hasRoom(1_000); tag++) flood.append(entry(tag % 256, 1, 1_000))
    expect(journal.depthBytes).toBeGreaterThan(45_000)
    expect(journal.depthBytes).toBeLessThanOrEqual(50_000)
    expect(other.hasRoom(20_000)).toBe(true)
  })
})
