/*
 * WebSocket framing (RFC 6455, section 5) for load clients: no extensions, no allocation per message.
 */
import type { ByteWriter } from './bytes.js'

export const Opcode = { text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const

/** What a {@link FrameParser} hands on. The bytes are only valid during the call. */
export interface FrameSink {
  /**
   * A whole data message: `bytes[start..end)`. `length` is the message's whole length: of one longer than the parser keeps,
   * only the first bytes are in `bytes`.
   */
  message(bytes: Buffer, start: number, end: number, length: number): void
  /** A close, ping or pong. */
  control(opcode: number, payload: Buffer): void
}

/** The server sent something that no WebSocket server may send, or that this client does not support. */
export class FrameError extends Error {
  override readonly name = 'FrameError'
}

const headerBytes = 14
const kept = 32 * 1024 * 1024

const longMessage = (keepBytes: number): number => Math.min(keepBytes, 64 * 1024)

/** A message of which the end is awaited. */
interface LongMessage {
  readonly prefix: Buffer
  prefixLength: number
  readonly length: number
  missing: number
}

/** Cuts a stream of bytes from a server into messages. Feed it what was read, in order. */
export class FrameParser {
  private readonly sink: FrameSink
  private readonly keepBytes: number
  private carry: Buffer = Buffer.alloc(0)
  private carried = 0
  private long: LongMessage | null = null

  /** @param keepBytes how much of a message is kept at most, in bytes (default 32 MiB) */
  constructor(sink: FrameSink, keepBytes = kept) {
    this.sink = sink
    this.keepBytes = keepBytes
  }

  /** @throws {FrameError} */
  push(chunk: Buffer, length: number): void {
    let at = 0
    if (this.long) {
      at = this.feed(this.long, chunk, 0, length)
      if (at === length) return
    }
    if (this.carried === 0) {
      const rest = this.parse(chunk, at, length)
      if (rest < length) this.keep(chunk, rest, length)
      return
    }
    this.keep(chunk, at, length)
    const end = this.carried
    this.carried = 0
    const rest = this.parse(this.carry, 0, end)
    this.carry.copyWithin(0, rest, end)
    this.carried = end - rest
  }

  private keep(chunk: Buffer, start: number, end: number): void {
    const needed = this.carried + end - start
    if (this.carry.length < needed) {
      const grown = Buffer.allocUnsafe(Math.max(256, needed * 2))
      this.carry.copy(grown, 0, 0, this.carried)
      this.carry = grown
    }
    chunk.copy(this.carry, this.carried, start, end)
    this.carried = needed
  }

  /** @returns where the first incomplete frame starts */
  private parse(bytes: Buffer, from: number, end: number): number {
    let at = from
    while (end - at >= 2) {
      const first = bytes[at]!
      let length = bytes[at + 1]!
      if (length > 127) throw new FrameError('the server sent a masked frame')
      if (first < 0x80) throw new FrameError('the server sent a message in fragments')
      let start = at + 2
      if (length >= 126) {
        const wide = length === 126 ? 2 : 8
        if (end - start < wide) return at
        length = wide === 2 ? bytes.readUInt16BE(start) : bytes.readUIntBE(start + 2, 6)
        start += wide
      }
      const opcode = first & 0x0f
      // A message that is far from whole is gathered in a buffer of its size, not in one that grows and is copied.
      if (length > longMessage(this.keepBytes) && opcode < Opcode.close) {
        const long = {
          prefix: Buffer.allocUnsafe(Math.min(length, this.keepBytes)),
          prefixLength: 0,
          length,
          missing: length,
        }
        at = this.feed(long, bytes, start, end)
        if (long.missing > 0) {
          this.long = long
          return end
        }
        continue
      }
      if (end - start < length) return at
      at = start + length
      if (opcode < Opcode.close) this.sink.message(bytes, start, at, length)
      else this.sink.control(opcode, bytes.subarray(start, at))
    }
    return at
  }

  /** @returns where the bytes of that message end in `bytes` */
  private feed(long: LongMessage, bytes: Buffer, start: number, end: number): number {
    const taken = Math.min(long.missing, end - start)
    const room = Math.min(taken, long.prefix.length - long.prefixLength)
    bytes.copy(long.prefix, long.prefixLength, start, start + room)
    long.prefixLength += room
    long.missing -= taken
    if (long.missing === 0) {
      this.long = null
      this.sink.message(long.prefix, 0, long.prefixLength, long.length)
    }
    return start + taken
  }
}

/** The bytes of the header of a client's frame. */
export const frameHeaderLength = (payloadLength: number): number =>
  payloadLength < 126 ? 6 : payloadLength < 0x1_0000 ? 8 : headerBytes

/**
 * Writes the header of a client's frame. The masking key is zero, so the payload follows as it is: a server does the same
 * work to unmask it, and the load generator does none.
 */
export const writeFrameHeader = (writer: ByteWriter, opcode: number, payloadLength: number): ByteWriter => {
  writer.byte(0x80 | opcode)
  if (payloadLength < 126) writer.byte(0x80 | payloadLength)
  else if (payloadLength < 0x1_0000) {
    writer.byte(0x80 | 126)
    writer.at = writer.bytes.writeUInt16BE(payloadLength, writer.at)
  } else {
    writer.byte(0x80 | 127)
    writer.at = writer.bytes.writeUInt32BE(0, writer.at)
    writer.at = writer.bytes.writeUInt32BE(payloadLength, writer.at)
  }
  return writer.byte(0).byte(0).byte(0).byte(0)
}
