import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { UncommittedUpdates, type UncommittedUpdate } from './uncommitted.js'

const update = (tag: number): UncommittedUpdate => ({ payload: Uint8Array.of(tag), place: -1 })
const tags = (payloads: readonly Uint8Array[]): number[] => payloads.map(([tag]) => tag ?? -1)

describe('UncommittedUpdates', () => {
  test('I3: whatever comes and goes in whatever order, what is left stands in the order of its relay', () => {
    const step = fc.oneof(
      fc.constant({ add: true, at: 0 }),
      fc.record({ add: fc.constant(false), at: fc.nat(300) }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 600, size: 'max' }), fc.nat(300), (steps, from) => {
        const updates = new UncommittedUpdates()
        const made: UncommittedUpdate[] = []
        // The plain way, which the list must equal: all that were added, and those that are left.
        const left = new Set<number>()
        for (const { add, at } of steps) {
          if (add) {
            const next = update(made.length % 256)
            updates.add(next)
            left.add(made.length)
            expect(next.place).toBe(made.length)
            made.push(next)
          } else if (at < made.length) {
            // Twice is once: it may be told committed by two ways.
            updates.delete(made[at]!)
            left.delete(at)
          }
        }
        expect(updates.end).toBe(made.length)
        expect(tags(updates.from(0))).toEqual([...left].map((place) => place % 256))
        expect(tags(updates.from(from))).toEqual(
          [...left].filter((place) => place >= from).map((place) => place % 256),
        )
      }),
    )
  })

  test('I6: a list that one old update holds back does not keep the places of the others', () => {
    const updates = new UncommittedUpdates()
    updates.add(update(0))
    for (let i = 1; i < 10_000; i++) {
      const next = update(i % 256)
      updates.add(next)
      updates.delete(next)
    }
    expect(tags(updates.from(0))).toEqual([0])
    expect(updates.places).toBeLessThan(200)
  })
})
