import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { ByteWriter } from './bytes.js'
import { FrameError, FrameParser, Opcode, frameHeaderLength, writeFrameHeader } from './websocket-frames.js'

const serverFrame = (opcode: number, payload: Buffer): Buffer => {
  const { length } = payload
  const header =
    length < 126
      ? Buffer.from([0x80 | opcode, length])
      : length < 0x1_0000
        ? Buffer.from([0x80 | opcode, 126, length >> 8, length & 255])
        : Buffer.concat([Buffer.from([0x80 | opcode, 127, 0, 0, 0, 0]), uint32(length)])
  return Buffer.concat([header, payload])
}

const uint32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

const patterned = (length: number, seed: number): Buffer =>
  Buffer.from(Uint8Array.from({ length }, (_, i) => (i * 7 + seed) & 255))

/** Deep equality of large buffers takes vitest seconds: digests do as well. */
const digest = (bytes: Buffer): string => createHash('sha1').update(bytes).digest('hex')

const collect = (keepBytes?: number) => {
  const messages: { digest: string; length: number }[] = []
  const controls: { opcode: number; payload: Buffer }[] = []
  const parser = new FrameParser(
    {
      message: (bytes, start, end, length) =>
        messages.push({ digest: digest(bytes.subarray(start, end)), length }),
      control: (opcode, payload) => controls.push({ opcode, payload: Buffer.from(payload) }),
    },
    keepBytes,
  )
  return { messages, controls, parser }
}

describe('FrameParser', () => {
  const payloads = [0, 1, 125, 126, 127, 3000, 65_535, 65_536, 200_000].map((length, i) =>
    patterned(length, i),
  )
  const stream = Buffer.concat([
    ...payloads.map((payload) => serverFrame(Opcode.binary, payload)),
    serverFrame(Opcode.ping, Buffer.from('hi')),
    serverFrame(Opcode.binary, Buffer.from('last')),
  ])

  test.each([1, 2, 3, 7, 100, 1021, 65_536, 1_000_000])('cuts messages out of chunks of %i bytes', (size) => {
    const { messages, controls, parser } = collect(1024 * 1024)
    for (let at = 0; at < stream.length; at += size) {
      const chunk = stream.subarray(at, at + size)
      parser.push(chunk, chunk.length)
    }
    expect(messages.map((message) => message.digest)).toEqual([...payloads, Buffer.from('last')].map(digest))
    expect(controls).toEqual([{ opcode: Opcode.ping, payload: Buffer.from('hi') }])
  })

  test.each([1, 999, 65_536, 1_000_000])(
    'keeps only the start of long messages, in chunks of %i bytes',
    (size) => {
      const { messages, parser } = collect(200)
      for (let at = 0; at < stream.length; at += size) {
        const chunk = stream.subarray(at, at + size)
        parser.push(chunk, chunk.length)
      }
      expect(messages).toEqual([
        ...payloads.map((payload) => ({ digest: digest(payload.subarray(0, 200)), length: payload.length })),
        { digest: digest(Buffer.from('last')), length: 4 },
      ])
    },
  )

  test('looks only at the bytes that were read', () => {
    const { messages, parser } = collect()
    const chunk = Buffer.concat([
      serverFrame(Opcode.binary, Buffer.from('one')),
      Buffer.from([0x82, 1, 0x61]),
    ])
    parser.push(chunk, 5)
    expect(messages).toHaveLength(1)
  })

  test.each([1, 5, 1000, 1_000_000])('joins fragments, in chunks of %i bytes', (size) => {
    const parts = [patterned(10, 1), patterned(0, 2), patterned(70_000, 3), patterned(3, 4)]
    const fragments = parts.map((part, i) => {
      const frame = serverFrame(i === 0 ? Opcode.binary : Opcode.continuation, part)
      if (i < parts.length - 1) frame[0]! &= 0x7f
      return frame
    })
    // A control frame may come between them.
    fragments.splice(2, 0, serverFrame(Opcode.ping, Buffer.from('hi')))
    const bytes = Buffer.concat([...fragments, serverFrame(Opcode.binary, Buffer.from('last'))])
    for (const keepBytes of [12, 1 << 20]) {
      const { messages, controls, parser } = collect(keepBytes)
      for (let at = 0; at < bytes.length; at += size) {
        const chunk = bytes.subarray(at, at + size)
        parser.push(chunk, chunk.length)
      }
      const whole = Buffer.concat(parts)
      expect(messages).toEqual([
        { digest: digest(whole.subarray(0, keepBytes)), length: whole.length },
        { digest: digest(Buffer.from('last')), length: 4 },
      ])
      expect(controls).toHaveLength(1)
    }
  })

  test.each([
    ['a masked frame', [0x82, 0x81, 0, 0, 0, 0, 1]],
    ['a continuation of nothing', [0x80, 1, 1]],
    ['a message between fragments', [0x02, 1, 1, 0x82, 1, 1]],
  ])('refuses %s', (_, bytes) => {
    expect(() => collect().parser.push(Buffer.from(bytes), bytes.length)).toThrow(FrameError)
  })
})

test.each([0, 125, 126, 65_535, 65_536])('the header of a client frame of %i bytes', (length) => {
  const writer = new ByteWriter(Buffer.alloc(32))
  writeFrameHeader(writer, Opcode.binary, length)
  const header = writer.finish()
  expect(header.length).toBe(frameHeaderLength(length))
  expect(header[0]).toBe(0x82)
  expect(header[1]! & 0x80).toBe(0x80)
  expect(header.subarray(-4)).toEqual(Buffer.alloc(4))
})
