import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { StoredEvent } from '../store/types.js'
import { EventPacker } from './packed-event.js'
import { EventTail } from './tail.js'

const eventOf = (payload: Uint8Array, seq: number): StoredEvent => ({
  seq,
  kind: seq % 3 === 0 ? 'message' : 'update',
  author: 'ann',
  clientId: '0123456789abcdef',
  clientSeq: seq,
  name: seq % 3 === 0 ? 'note' : null,
  payload,
  createdAt: 1_700_000_000_000 + seq,
})

const fieldsOf = ({ seq, kind, author, clientId, clientSeq, name, payload, createdAt }: StoredEvent) => ({
  seq,
  kind,
  author,
  clientId,
  clientSeq,
  name,
  payload: [...payload],
  createdAt,
})

test('I4: a packed event is the event that was committed, whatever is packed after it', () => {
  const payloads = fc.array(fc.uint8Array({ maxLength: 2_000, size: 'max' }), { maxLength: 60, size: 'max' })
  fc.assert(
    fc.property(payloads, (given) => {
      const packer = new EventPacker()
      const events = given.map(eventOf)
      const packed = events.map((event) => packer.pack(event))
      expect(packed.map(fieldsOf)).toEqual(events.map(fieldsOf))
      expect(packed.map(({ byteLength }) => byteLength)).toEqual(given.map(({ length }) => length))
    }),
    { numRuns: 100 },
  )
})

test('I6: keystrokes share slabs of their own, and keep no frame alive', () => {
  const packer = new EventPacker()
  const frame = new Uint8Array(8192)
  const packed = Array.from({ length: 5_000 }, (_, i) => packer.pack(eventOf(frame.subarray(18, 53), i + 1)))
  const slabs = new Set(packed.map(({ payload }) => payload.buffer))
  expect(slabs.has(frame.buffer)).toBe(false)
  let bytes = 0
  for (const slab of slabs) bytes += slab.byteLength
  expect(bytes).toBeLessThan(5_000 * 35 + 16 * 1024 + 2_000)
  expect(slabs.size).toBeLessThan(20)
  // A room that is hardly written in holds little.
  expect(new EventPacker().pack(eventOf(frame.subarray(0, 35), 1)).payload.buffer.byteLength).toBe(128)
})

test('I6: a tail that has been compacted away keeps no slab', () => {
  const tail = new EventTail(0)
  const type = (from: number, to: number): void => {
    for (let seq = from; seq <= to; seq++) tail.add(eventOf(new Uint8Array(35), seq))
  }
  type(1, 2_000)
  tail.dropUpTo(2_000)
  type(2_001, 2_001)
  expect(tail.after(2_000)?.[0]?.payload.buffer.byteLength).toBe(128)
})

test('large payloads are not copied', () => {
  const payload = new Uint8Array(1025)
  expect(new EventPacker().pack(eventOf(payload, 1)).payload.buffer).toBe(payload.buffer)
})
