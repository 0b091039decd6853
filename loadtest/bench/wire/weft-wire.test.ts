import { decodeClientFrame, encodeServerFrame } from '@weft/protocol'
import { describe, expect, test } from 'vitest'
import { largestWeftMessage } from '../load/weft-member.js'
import { largestYjsMessage } from '../load/yjs-member.js'
import { ByteWriter } from './bytes.js'
import {
  ackNumber,
  presencesStart,
  scanUpdatesFrame,
  updateFrameLength,
  writeUpdateFrame,
} from './weft-wire.js'
import { YSync, encodeSync, syncDataStart } from './y-wire.js'

const numbers = [1, 127, 128, 255, 256, 65_535, 65_536, 0xffff_ffff]

describe('Weft frames in place', () => {
  test.each(numbers)('UPDATE with room and n %i reads back with the codec', (number) => {
    for (const length of [0, 30, 255, 256, 5000]) {
      const update = Buffer.alloc(length, 7)
      const writer = writeUpdateFrame(new ByteWriter(Buffer.alloc(6000)), number, number, length).raw(update)
      expect(writer.at).toBe(updateFrameLength(number, number, length))
      const frame = decodeClientFrame(writer.finish())
      expect(frame).toMatchObject({ type: 'update', room: number, n: number })
      expect(frame.type === 'update' && Buffer.from(frame.update).equals(update)).toBe(true)
    }
  })

  test.each(numbers)('ACK of n %i', (n) => {
    const bytes = Buffer.from(encodeServerFrame({ type: 'ack', room: 300, n, seq: 70_000 }))
    expect(ackNumber(Buffer.concat([Buffer.from([0]), bytes]), 1)).toBe(n)
  })

  test.each([1, 15, 16, 70_000])('UPDATES of %i updates', (count) => {
    const updates = Array.from({ length: count }, (_, i) => Buffer.alloc(i % 300, i & 255))
    const bytes = Buffer.from(encodeServerFrame({ type: 'updates', room: 1000, updates }))
    const found: Uint8Array[] = []
    scanUpdatesFrame(bytes, 0, bytes.length, {
      update: (from, start, end) => found.push(from.subarray(start, end)),
    })
    expect(found.length).toBe(count)
    expect(found.every((update, i) => updates[i]!.equals(update))).toBe(true)
  })
})

test.each([1, 200, 300, 70_000])('the awareness update of a PRESENCES frame, %i bytes', (length) => {
  const awareness = Buffer.alloc(length, 5)
  const bytes = Buffer.from(encodeServerFrame({ type: 'presences', room: 300, awareness }))
  expect(bytes.subarray(presencesStart(bytes, 0)).equals(awareness)).toBe(true)
})

test.each([0, 127, 128, 20_000])('the data of a sync message of %i bytes', (length) => {
  const data = Buffer.alloc(length, 3)
  const message = Buffer.concat([Buffer.from([9]), encodeSync(YSync.update, data)])
  expect(message.subarray(syncDataStart(message, 1)).equals(data)).toBe(true)
})

test('a keystroke with its headers fits the space that members set aside', () => {
  expect(largestWeftMessage()).toBeLessThanOrEqual(64)
  expect(largestYjsMessage()).toBeLessThanOrEqual(64)
})
