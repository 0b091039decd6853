import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Id } from '../crdt/index.js'
import { Coverage } from '../crdt/index.js'
import { MemberAcks, RoomAcks, type WaitingChange } from './acks.js'
import { ScriptedMember, silentObserver } from './testing/scripted.js'

const struct = (client: number, clock: number): Parameters<Coverage['add']>[0] => ({
  structs: [{ client, clock, len: 1 }],
  links: [],
  byteLength: 1,
})

const add = (acks: MemberAcks, n: number, deps: readonly Id[], arrived: number): WaitingChange => {
  const change: WaitingChange = { n, deps, arrived, seq: null, dropped: false }
  acks.add(change)
  return change
}

describe('MemberAcks', () => {
  test('P22: an ack waits for its commit, for what it refers to, and for everything before it', () => {
    const member = new ScriptedMember()
    const acks = new MemberAcks()
    const coverage = new Coverage()
    const release = (): boolean => acks.release(member, coverage, silentObserver)
    const first = add(acks, 1, [{ client: 7, clock: 0 }], 0)
    const second = add(acks, 2, [], 0)
    expect(release()).toBe(false)
    second.seq = 11
    expect(release()).toBe(false)
    first.seq = 12
    // Committed, and what it refers to is not: told so that the room looks again.
    expect(release()).toBe(true)
    expect(member.acks).toEqual([])
    coverage.add(struct(7, 0))
    expect(release()).toBe(false)
    // One ack for both (cumulative), with the seq of the last.
    expect(member.acks).toEqual([{ n: 2, seq: 11 }])
    expect(acks.size).toBe(0)
  })

  test('P22: refused changes count as settled and have no ack of their own', () => {
    const member = new ScriptedMember()
    const acks = new MemberAcks()
    const [a, b, c] = [add(acks, 1, [], 0), add(acks, 2, [], 0), add(acks, 3, [], 0)]
    b.dropped = true
    acks.release(member, new Coverage(), silentObserver)
    expect(member.acks).toEqual([])
    a.seq = 1
    acks.release(member, new Coverage(), silentObserver)
    expect(member.acks).toEqual([{ n: 1, seq: 1 }])
    c.dropped = true
    acks.release(member, new Coverage(), silentObserver)
    expect(member.acks).toHaveLength(1)
    expect(acks.size).toBe(0)
  })

  test('I1: for any order of commits, refusals and dependencies, an ack never covers what is not durable', () => {
    const change = fc.record({ deps: fc.array(fc.nat(3), { maxLength: 2 }), dropped: fc.boolean() })
    fc.assert(
      fc.property(
        fc.array(change, { minLength: 1, maxLength: 12, size: 'max' }),
        fc.array(fc.nat(30), { maxLength: 40, size: 'max' }),
        (changes, order) => {
          const member = new ScriptedMember()
          const acks = new MemberAcks()
          const coverage = new Coverage()
          const known = new Set<number>()
          const settled = new Set<number>()
          const waiting = changes.map(({ deps }, i) =>
            add(
              acks,
              i + 1,
              deps.map((client): Id => ({ client, clock: 0 })),
              0,
            ),
          )
          const durable = (i: number): boolean =>
            settled.has(i) && (changes[i]!.dropped || changes[i]!.deps.every((dep) => known.has(dep)))
          for (const step of order) {
            const i = step - 4
            if (step < 4) {
              coverage.add(struct(step, 0))
              known.add(step)
            } else if (waiting[i] !== undefined && !settled.has(i)) {
              settled.add(i)
              if (changes[i]!.dropped) waiting[i].dropped = true
              else waiting[i].seq = 100 + i
            }
            const blocked = acks.release(member, coverage, silentObserver)
            let done = 0
            while (done < changes.length && durable(done)) done++
            expect(acks.size).toBe(changes.length - done)
            const stored = changes.slice(0, done).findLastIndex(({ dropped }) => !dropped)
            expect(member.acks.at(-1)).toEqual(stored < 0 ? undefined : { n: stored + 1, seq: 100 + stored })
            expect(blocked).toBe(done < changes.length && settled.has(done))
          }
        },
      ),
      { numRuns: 300 },
    )
  })
})

describe('RoomAcks', () => {
  const struct7 = [{ client: 7, clock: 0 }]
  const change = (n: number, seq: number | null, deps: readonly Id[] = []): WaitingChange => ({
    n,
    deps,
    arrived: 0,
    seq,
    dropped: false,
  })

  test('P22: a member whose ack waits for what it refers to is looked at again with every batch', () => {
    const coverage = new Coverage()
    const acks = new RoomAcks(coverage, silentObserver)
    const [a, b] = [new ScriptedMember(), new ScriptedMember()]
    acks.join(a)
    acks.join(b)
    acks.add(a, change(1, 5, struct7))
    acks.touch(a)
    acks.release()
    expect(a.acks).toEqual([])
    // Another member's batch brings what a waits for.
    acks.add(b, change(1, 6))
    acks.touch(b)
    coverage.add(struct(7, 0))
    acks.release()
    expect(a.acks).toEqual([{ n: 1, seq: 5 }])
    expect(b.acks).toEqual([{ n: 1, seq: 6 }])
    acks.release()
    expect([a.acks.length, b.acks.length]).toEqual([1, 1])
  })

  test('a member that left is not acknowledged to, also when its changes are settled later', () => {
    const acks = new RoomAcks(new Coverage(), silentObserver)
    const member = new ScriptedMember()
    acks.join(member)
    acks.add(member, change(1, 5))
    acks.touch(member)
    expect(acks.leave(member)).toBe(true)
    acks.touch(member)
    acks.release()
    expect(member.acks).toEqual([])
  })

  test('I7: an ack that throws holds up no other, and not the next one of the same member', () => {
    const faults: unknown[] = []
    const acks = new RoomAcks(new Coverage(), {
      ...silentObserver,
      fault: (_message, error) => faults.push(error),
    })
    const broken = new ScriptedMember()
    const send = broken.ack.bind(broken)
    broken.ack = () => {
      broken.ack = send
      throw new Error('broken')
    }
    const other = new ScriptedMember()
    for (const member of [broken, other]) {
      acks.join(member)
      acks.add(member, change(1, 5))
      acks.touch(member)
    }
    acks.release()
    expect(faults).toHaveLength(1)
    expect(other.acks).toEqual([{ n: 1, seq: 5 }])
    acks.add(broken, change(2, 6))
    acks.touch(broken)
    acks.release()
    expect(broken.acks).toEqual([{ n: 2, seq: 6 }])
  })
})
