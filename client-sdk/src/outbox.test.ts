import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as Y from 'yjs'
import { createOutbox, type Outbox } from './outbox.js'

/** A stream of updates of one document, as an editor makes them. */
const updates = (count: number): Uint8Array[] => {
  const doc = new Y.Doc()
  const made: Uint8Array[] = []
  doc.on('update', (update: Uint8Array) => made.push(update))
  for (let i = 0; i < count; i++) doc.getText('t').insert(i, String(i % 10))
  return made
}

const all = (outbox: Outbox): number[] => {
  const numbers: number[] = []
  for (let change = outbox.take(); change !== undefined; change = outbox.take()) numbers.push(change.n)
  return numbers
}

describe('the outbox', () => {
  test('gathers what was never sent, and fixes what was (P21)', () => {
    const outbox = createOutbox()
    const [a, b, c] = updates(3) as [Uint8Array, Uint8Array, Uint8Array]
    expect([outbox.add(a), outbox.add(b)]).toEqual([1, 1])
    const sent = outbox.take()
    expect(sent).toMatchObject({ n: 1, edits: 2 })
    expect(outbox.add(c)).toBe(2)
    outbox.rewind()
    expect(outbox.take()).toBe(sent)
    expect(outbox.unsaved).toBe(3)
  })

  test('gathers no more than 64 KiB, and nothing into a change that stands alone', () => {
    const outbox = createOutbox()
    const big = new Uint8Array(40 * 1024)
    expect([outbox.add(big), outbox.add(big), outbox.add(big, true), outbox.add(big)]).toEqual([1, 2, 3, 4])
  })

  test('an ACK settles what was sent on this connection, and nothing else (P22)', () => {
    const outbox = createOutbox()
    for (const update of updates(3)) outbox.add(update, true)
    outbox.take()
    expect(outbox.acknowledge(3).map((change) => change.n)).toEqual([1])
    expect([outbox.firstNumber, outbox.unsaved]).toEqual([2, 2])
    expect(outbox.acknowledge(1)).toEqual([])
  })

  test('a hold stops everything, then n and all after it go again (P23)', () => {
    const outbox = createOutbox()
    for (const update of updates(4)) outbox.add(update, true)
    expect(all(outbox)).toEqual([1, 2, 3, 4])
    outbox.holdFrom(2)
    expect(all(outbox)).toEqual([])
    outbox.release()
    expect(all(outbox)).toEqual([2, 3, 4])
  })

  test('numbers go on after everything was given up (P27)', () => {
    const outbox = createOutbox(7)
    for (const update of updates(2)) outbox.add(update, true)
    expect(outbox.clearFrom(0).map((change) => change.n)).toEqual([7, 8])
    expect(outbox.unsaved).toBe(0)
    expect(outbox.nextNumber).toBe(9)
  })

  test('property: numbers are dense, bytes of a number never change, the count is exact, nothing is lost', () => {
    const action = fc.oneof(
      { weight: 5, arbitrary: fc.record({ do: fc.constant('add' as const), solo: fc.boolean() }) },
      { weight: 5, arbitrary: fc.record({ do: fc.constant('take' as const) }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant('ack' as const), back: fc.nat(3) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('rewind' as const) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('hold' as const), back: fc.nat(3) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('release' as const) }) },
    )
    fc.assert(
      fc.property(fc.array(action, { maxLength: 80, size: 'max' }), (actions) => {
        const outbox = createOutbox()
        const stream = updates(actions.length)
        const bytes = new Map<number, Uint8Array>()
        const server = new Y.Doc()
        let added = 0
        let acked = 0
        let settledEdits = 0
        let lastTaken = 0
        const edits = new Map<number, number>()
        const take = (): boolean => {
          const change = outbox.take()
          if (change?.kind !== 'update') return false
          // In order: never past a number that was not sent on this connection.
          expect(change.n).toBeLessThanOrEqual(lastTaken + 1)
          expect(change.n).toBeGreaterThan(acked)
          lastTaken = change.n
          const before = bytes.get(change.n)
          if (before !== undefined) expect(change.update).toEqual(before)
          bytes.set(change.n, change.update)
          edits.set(change.n, change.edits)
          Y.applyUpdate(server, change.update)
          return true
        }
        const ack = (n: number): void => {
          if (n <= acked) return
          outbox.acknowledge(n)
          for (; acked < n; acked++) settledEdits += edits.get(acked + 1) ?? 0
        }
        for (const next of actions) {
          switch (next.do) {
            case 'add':
              outbox.add(stream[added++]!, next.solo)
              break
            case 'take':
              take()
              break
            case 'ack':
              ack(lastTaken - next.back)
              break
            case 'rewind':
              outbox.rewind()
              lastTaken = acked
              break
            case 'hold': {
              const from = Math.max(acked + 1, lastTaken - next.back)
              if (outbox.isHeld || from >= outbox.nextNumber) break
              outbox.holdFrom(from)
              lastTaken = Math.min(lastTaken, from - 1)
              break
            }
            case 'release':
              outbox.release()
              break
          }
          expect(outbox.unsaved).toBe(added - settledEdits)
        }
        outbox.release()
        while (take());
        ack(lastTaken)
        expect(outbox.unsaved).toBe(0)
        expect(server.getText('t').length).toBe(added)
      }),
    )
  })
})
