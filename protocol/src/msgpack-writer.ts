import { ProtocolError } from './errors.js'

const utf8Encoder = new TextEncoder()

/**
 * Small frames are slices of a shared slab: a buffer of their own each would cost more than writing them. The slab is let
 * go when it is used up, and lives as long as a frame in it.
 */
const slabBytes = 16 * 1024
let slab = new Uint8Array(0)
let slabView = new DataView(slab.buffer)
let slabUsed = 0

/** Writes MessagePack, each value in its shortest encoding, into a buffer that grows. One writer at a time. */
export class Writer {
  private bytes: Uint8Array
  private view: DataView
  private readonly slabStart: number
  /** Where the frame starts in `bytes`. */
  private start: number
  private length: number

  /** @param capacity expected size in bytes; the buffer grows beyond it as needed */
  constructor(capacity = 64) {
    if (capacity > slabBytes / 16) {
      this.bytes = new Uint8Array(capacity)
      this.view = new DataView(this.bytes.buffer)
      this.start = this.length = 0
      this.slabStart = -1
      return
    }
    if (slabUsed + capacity > slab.length) {
      slab = new Uint8Array(slabBytes)
      slabView = new DataView(slab.buffer)
      slabUsed = 0
    }
    this.bytes = slab
    this.view = slabView
    this.start = this.length = this.slabStart = slabUsed
  }

  private reserve(count: number): number {
    const at = this.length
    const needed = at + count
    if (needed > this.bytes.length) {
      const written = this.bytes.subarray(this.start, at)
      const grown = new Uint8Array(Math.max(written.length + count, written.length * 2))
      grown.set(written)
      this.bytes = grown
      this.view = new DataView(grown.buffer)
      this.start = 0
      this.length = written.length + count
      return written.length
    }
    this.length = needed
    return at
  }

  private byte(value: number): void {
    // Reserved first: growing replaces the view.
    const at = this.reserve(1)
    this.view.setUint8(at, value)
  }

  /** What has been written, as a view of this writer's buffer. */
  finish(): Uint8Array {
    if (this.bytes === slab && this.slabStart === slabUsed) slabUsed = this.length
    return this.bytes.subarray(this.start, this.length)
  }

  arrayHeader(count: number): this {
    if (count < 16) this.byte(0x90 | count)
    else if (count < 0x1_0000) {
      const at = this.reserve(3)
      this.view.setUint8(at, 0xdc)
      this.view.setUint16(at + 1, count)
    } else {
      const at = this.reserve(5)
      this.view.setUint8(at, 0xdd)
      this.view.setUint32(at + 1, count)
    }
    return this
  }

  mapHeader(count: number): this {
    if (count < 16) this.byte(0x80 | count)
    else if (count < 0x1_0000) {
      const at = this.reserve(3)
      this.view.setUint8(at, 0xde)
      this.view.setUint16(at + 1, count)
    } else {
      const at = this.reserve(5)
      this.view.setUint8(at, 0xdf)
      this.view.setUint32(at + 1, count)
    }
    return this
  }

  /**
   * An integer from 0 to 2^53 - 1.
   * @throws {ProtocolError} `internal` for any other number: written down, it would be another one
   */
  uint(value: number): this {
    if (!(Number.isSafeInteger(value) && value >= 0)) {
      throw new ProtocolError('internal', `${value} is not an integer from 0 to 2^53 - 1`)
    }
    if (value < 0x80) this.byte(value)
    else if (value < 0x100) {
      const at = this.reserve(2)
      this.view.setUint8(at, 0xcc)
      this.view.setUint8(at + 1, value)
    } else if (value < 0x1_0000) {
      const at = this.reserve(3)
      this.view.setUint8(at, 0xcd)
      this.view.setUint16(at + 1, value)
    } else if (value < 0x1_0000_0000) {
      const at = this.reserve(5)
      this.view.setUint8(at, 0xce)
      this.view.setUint32(at + 1, value)
    } else {
      const at = this.reserve(9)
      this.view.setUint8(at, 0xcf)
      this.view.setUint32(at + 1, Math.floor(value / 0x1_0000_0000))
      this.view.setUint32(at + 5, value % 0x1_0000_0000)
    }
    return this
  }

  nil(): this {
    this.byte(0xc0)
    return this
  }

  boolean(value: boolean): this {
    this.byte(value ? 0xc3 : 0xc2)
    return this
  }

  uintOrNil(value: number | null): this {
    return value === null ? this.nil() : this.uint(value)
  }

  /** A string. A lone surrogate, which UTF-8 does not have, becomes U+FFFD. */
  string(text: string): this {
    const encoded = utf8Encoder.encode(text)
    const { length } = encoded
    if (length < 32) this.byte(0xa0 | length)
    else if (length < 0x100) {
      const at = this.reserve(2)
      this.view.setUint8(at, 0xd9)
      this.view.setUint8(at + 1, length)
    } else if (length < 0x1_0000) {
      const at = this.reserve(3)
      this.view.setUint8(at, 0xda)
      this.view.setUint16(at + 1, length)
    } else {
      const at = this.reserve(5)
      this.view.setUint8(at, 0xdb)
      this.view.setUint32(at + 1, length)
    }
    return this.raw(encoded)
  }

  stringOrNil(text: string | null): this {
    return text === null ? this.nil() : this.string(text)
  }

  binary(data: Uint8Array): this {
    return this.binaryHeader(data.length).raw(data)
  }

  /** The start of binary data of `length` bytes, which follow. */
  binaryHeader(length: number): this {
    if (length < 0x100) {
      const at = this.reserve(2)
      this.view.setUint8(at, 0xc4)
      this.view.setUint8(at + 1, length)
    } else if (length < 0x1_0000) {
      const at = this.reserve(3)
      this.view.setUint8(at, 0xc5)
      this.view.setUint16(at + 1, length)
    } else {
      const at = this.reserve(5)
      this.view.setUint8(at, 0xc6)
      this.view.setUint32(at + 1, length)
    }
    return this
  }

  binaryOrNil(data: Uint8Array | null): this {
    return data === null ? this.nil() : this.binary(data)
  }

  /** Bytes that are MessagePack already. */
  raw(data: Uint8Array): this {
    const at = this.reserve(data.length)
    this.bytes.set(data, at)
    return this
  }
}
