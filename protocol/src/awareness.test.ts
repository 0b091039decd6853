import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Awareness, applyAwarenessUpdate, encodeAwarenessUpdate } from 'y-protocols/awareness'
import { Doc } from 'yjs'
import { WireLimits, readAwareness, writeAwareness, type AwarenessEntry } from './index.js'

const entry: fc.Arbitrary<AwarenessEntry> = fc.record({
  clientId: fc.maxSafeNat(),
  clock: fc.maxSafeNat().map((clock) => Math.min(clock, WireLimits.presenceClock)),
  state: fc.option(
    fc.jsonValue({ maxDepth: 5 }).map((value) => JSON.stringify(value ?? {})),
    { nil: null },
  ),
})

describe('awareness updates', () => {
  test('P30: entries survive writing and reading', () => {
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 20 }), (entries) => {
        expect(readAwareness(writeAwareness(entries), 20, 100_000)).toEqual(entries)
      }),
    )
  })

  test('P30: what y-protocols writes is read, and what is written here it applies', () => {
    const sender = new Awareness(new Doc())
    const receiver = new Awareness(new Doc())
    try {
      const state = { user: { name: 'Ada 🧶' }, cursor: null }
      sender.setLocalState(state)
      const [read, ...more] = readAwareness(encodeAwarenessUpdate(sender, [sender.clientID]), 1, 1000)
      expect(more).toEqual([])
      expect(read).toMatchObject({ clientId: sender.clientID, state: JSON.stringify(state) })

      applyAwarenessUpdate(receiver, writeAwareness(read ? [read] : []), null)
      expect(receiver.getStates().get(sender.clientID)).toEqual(state)
    } finally {
      sender.destroy()
      receiver.destroy()
    }
  })

  test('P30: null in any spelling is a leave', () => {
    expect(readAwareness(writeAwareness([{ clientId: 1, clock: 1, state: ' null\n' }]), 1, 100)).toEqual([
      { clientId: 1, clock: 1, state: null },
    ])
  })

  test('P34: the deepest state that is accepted does not overflow a receiver', () => {
    const receiver = new Awareness(new Doc())
    try {
      const depth = WireLimits.presenceDepth
      for (const clock of [1, 2]) {
        const update = writeAwareness([{ clientId: 1, clock, state: '['.repeat(depth) + ']'.repeat(depth) }])
        expect(readAwareness(update, 1, 1000)).toHaveLength(1)
        applyAwarenessUpdate(receiver, update, null)
      }
      expect(encodeAwarenessUpdate(receiver, [1]).length).toBeGreaterThan(2 * depth)
    } finally {
      receiver.destroy()
    }
  })

  test('P34: nothing is read past the end of a view', () => {
    const update = writeAwareness([{ clientId: 1, clock: 1, state: '"abcdef"' }])
    const buffer = Uint8Array.of(...update, ...new TextEncoder().encode('secret'))
    expect(() => readAwareness(buffer.subarray(0, update.length - 3), 1, 100)).toThrow('does not decode')
  })
})
