import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { StoredEvent } from '../store/types.js'
import { EventTail, maxAheadBytes } from './tail.js'

const event = (seq: number): StoredEvent => ({
  seq,
  kind: 'update',
  author: null,
  clientId: null,
  clientSeq: null,
  name: null,
  payload: new Uint8Array(Math.max(0, seq)),
  createdAt: 0,
})

const seqs = (events: readonly StoredEvent[]): number[] => events.map(({ seq }) => seq)
const upTo = (from: number, to: number): number[] =>
  Array.from({ length: Math.max(0, to - from) }, (_, i) => from + 1 + i)

describe('EventTail', () => {
  test('I2, I4: whatever the order and however often events come, head is contiguous and passes each exactly once', () => {
    fc.assert(
      fc.property(
        fc.nat(20),
        fc.array(fc.integer({ min: -5, max: 15 }), { maxLength: 60, size: 'max' }),
        (start, offsets) => {
          const tail = new EventTail(start)
          const given = new Set<number>()
          const passed: number[] = []
          for (const offset of offsets) {
            const seq = start + offset
            given.add(seq)
            passed.push(...seqs(tail.add(event(seq))))
            let head = start
            while (given.has(head + 1)) head++
            expect(tail.head).toBe(head)
            expect(passed).toEqual(upTo(start, head))
            expect(seqs(tail.after(start) ?? [])).toEqual(upTo(start, head))
            const beyond = [...given].filter((each) => each > head).sort((a, b) => a - b)
            expect(seqs(tail.beyond())).toEqual(beyond)
            expect(tail.newest).toBe(beyond.at(-1) ?? head)
            const [first] = beyond
            expect(tail.hole()).toEqual(first === undefined ? null : { after: head, upTo: first - 1 })
            const held = [...given].filter((each) => each > start)
            expect(tail.bytes).toBe(held.reduce((sum, each) => sum + each, 0))
          }
        },
      ),
      { numRuns: 300 },
    )
  })

  test('letting go of the start keeps the rest, its bytes and what comes later', () => {
    fc.assert(
      fc.property(fc.nat(10), fc.nat(20), fc.array(fc.nat(40), { maxLength: 5 }), (start, length, drops) => {
        const tail = new EventTail(start, upTo(start, start + length).map(event))
        let first = start
        for (const drop of drops) {
          tail.dropUpTo(drop)
          first = Math.max(first, Math.min(drop, start + length))
          expect([tail.start, tail.head, tail.length]).toEqual([
            first,
            start + length,
            start + length - first,
          ])
          expect(tail.bytes).toBe(upTo(first, start + length).reduce((sum, seq) => sum + seq, 0))
          expect(tail.after(first - 1)).toBeNull()
          expect(seqs(tail.after(first) ?? [])).toEqual(upTo(first, start + length))
        }
        expect(seqs(tail.add(event(start + length + 1)))).toEqual([start + length + 1])
      }),
    )
  })

  test('I6: what is beyond a hole is bounded; what was let go of is a hole of its own, once the first is filled', () => {
    const tail = new EventTail(0)
    const big = (seq: number): StoredEvent => ({ ...event(seq), payload: new Uint8Array(1024 * 1024) })
    for (let seq = 2; seq <= 40; seq++) tail.add(big(seq))
    expect(tail.bytes).toBeLessThanOrEqual(maxAheadBytes)
    const held = tail.beyond().length
    expect(held).toBeGreaterThan(0)
    expect([tail.newest, tail.isAhead(2), tail.isAhead(40)]).toEqual([40, true, false])
    expect(tail.hole()).toEqual({ after: 0, upTo: 1 })
    expect(tail.add(event(1))).toHaveLength(1 + held)
    expect(tail.hole()).toEqual({ after: 1 + held, upTo: 40 })
    for (let seq = 2 + held; seq <= 40; seq++) expect(tail.add(big(seq))).toHaveLength(1)
    expect([tail.head, tail.hole()]).toEqual([40, null])
    // What was passed makes room for what is beyond the next hole.
    tail.add(big(42))
    expect(tail.isAhead(42)).toBe(true)
  })

  test('I6: many small events beyond a hole are bounded as well', () => {
    const tail = new EventTail(0)
    const small = event(1)
    for (let seq = 2; seq <= 100_000; seq++) tail.add({ ...small, seq })
    expect(tail.beyond().length).toBeLessThan(maxAheadBytes / 256)
  })

  test('I4: what the log contradicts is forgotten; what was told later is not', () => {
    const tail = new EventTail(3)
    tail.add(event(9))
    const told = tail.newest
    tail.add(event(20))
    tail.contradict(5, told)
    expect([tail.isAhead(9), tail.isAhead(20), tail.bytes]).toEqual([false, true, 20])
    tail.contradict(5, 20)
    expect([tail.hole(), tail.bytes, tail.newest]).toEqual([null, 0, 3])
  })
})
