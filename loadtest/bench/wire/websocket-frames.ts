/*
 * WebSocket framing (RFC 6455, section 5) for load clients: no extensions, no allocation per message.
 */
import type { ByteWriter } from './bytes.js'

export const Opcode = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const

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

/** The server sent something that no WebSocket server may send. */
export class FrameError extends Error {
  override readonly name = 'FrameError'
}

const headerBytes = 14
const kept = 32 * 1024 * 1024

/** A longer message is gathered in a buffer of its own size, not in one that grows and is copied. */
const longMessage = 64 * 1024

/** A message of which the end is awaited: a long one, or one that comes in fragments. */
interface Gathered {
  prefix: Buffer
  prefixLength: number
  /** Of all frames so far. */
  length: number
  /** Bytes that the current frame still owes. */
  missing: number
  /** Whether the current frame is the message's last. */
  final: boolean
}

/** Cuts a stream of bytes from a server into messages. Feed it what was read, in order. */
export class FrameParser {
  private readonly sink: FrameSink
  private readonly keepBytes: number
  private readonly gatherBeyond: number
  private carry: Buffer = Buffer.alloc(0)
  private carried = 0
  private gathered: Gathered | null = null

  /** @param keepBytes how much of a message is kept at most, in bytes (default 32 MiB) */
  constructor(sink: FrameSink, keepBytes = kept) {
    this.sink = sink
    this.keepBytes = keepBytes
    this.gatherBeyond = Math.min(keepBytes, longMessage)
  }

  /** @throws {FrameError} */
  push(chunk: Buffer, length: number): void {
    let at = 0
    if (this.gathered !== null && this.gathered.missing > 0) {
      at = this.feed(this.gathered, chunk, 0, length)
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
      let start = at + 2
      if (length >= 126) {
        const wide = length === 126 ? 2 : 8
        if (end - start < wide) return at
        length = wide === 2 ? bytes.readUInt16BE(start) : bytes.readUIntBE(start + 2, 6)
        start += wide
      }
      const opcode = first & 0x0f
      const isData = opcode < Opcode.close
      if (
        isData &&
        (first < 0x80 ||
          this.gathered !== null ||
          opcode === Opcode.continuation ||
          length > this.gatherBeyond)
      ) {
        at = this.feed(this.begin(opcode, length, first >= 0x80), bytes, start, end)
        continue
      }
      if (end - start < length) return at
      at = start + length
      if (isData) this.sink.message(bytes, start, at, length)
      else this.sink.control(opcode, bytes.subarray(start, at))
    }
    return at
  }

  /** A frame begins whose message is gathered. */
  private begin(opcode: number, length: number, final: boolean): Gathered {
    const isFirst = opcode !== Opcode.continuation
    if (isFirst === (this.gathered !== null))
      throw new FrameError('the server mixed up the fragments of a message')
    const gathered = (this.gathered ??= {
      prefix: Buffer.alloc(0),
      prefixLength: 0,
      length: 0,
      missing: 0,
      final,
    })
    gathered.length += length
    gathered.missing = length
    gathered.final = final
    const wanted = Math.min(gathered.length, this.keepBytes)
    if (gathered.prefix.length < wanted) {
      const grown = Buffer.allocUnsafe(Math.min(this.keepBytes, isFirst ? wanted : wanted * 2))
      gathered.prefix.copy(grown, 0, 0, gathered.prefixLength)
      gathered.prefix = grown
    }
    return gathered
  }

  /** @returns where the bytes of the current frame end in `bytes` */
  private feed(gathered: Gathered, bytes: Buffer, start: number, end: number): number {
    const taken = Math.min(gathered.missing, end - start)
    const room = Math.min(taken, this.keepBytes - gathered.prefixLength)
    bytes.copy(gathered.prefix, gathered.prefixLength, start, start + room)
    gathered.prefixLength += room
    gathered.missing -= taken
    if (gathered.missing === 0 && gathered.final) {
      this.gathered = null
      this.sink.message(gathered.prefix, 0, gathered.prefixLength, gathered.length)
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
  else if (payloadLength < 0x1_0000) writer.byte(0x80 | 126).uint16(payloadLength)
  else
    writer
      .byte(0x80 | 127)
      .uint32(0)
      .uint32(payloadLength)
  return writer.byte(0).byte(0).byte(0).byte(0)
}
