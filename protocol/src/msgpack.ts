/*
 * The MessagePack of the frames: https://github.com/msgpack/msgpack/blob/master/spec.md
 *
 * Frames are flat arrays of a known shape, so they are read and written field by field: nothing is allocated for what
 * a hostile length claims, and every failure is one typed error. Free-form payloads are checked by `skip` and stay
 * bytes on the server; `values.ts` turns them into JavaScript values where somebody wants to see them.
 */
import { ProtocolError } from './errors.js'

const utf8Decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const utf8Encoder = new TextEncoder()

const malformed = (what: string): ProtocolError => new ProtocolError('invalid_frame', what)

/** Reads MessagePack from bytes, never past their end. Every method throws only {@link ProtocolError}. */
export class Reader {
  readonly bytes: Uint8Array
  private readonly view: DataView
  position = 0

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get atEnd(): boolean {
    return this.position === this.bytes.length
  }

  private take(count: number): number {
    const start = this.position
    if (count > this.bytes.length - start) throw malformed('the frame ends in the middle of a value')
    this.position = start + count
    return start
  }

  private byte(): number {
    return this.view.getUint8(this.take(1))
  }

  private uint64(): number {
    const at = this.take(8)
    const value = this.view.getUint32(at) * 0x1_0000_0000 + this.view.getUint32(at + 4)
    if (value > Number.MAX_SAFE_INTEGER) throw malformed('an integer is beyond 2^53 - 1')
    return value
  }

  /** An array header: the number of its elements. */
  arrayHeader(what: string): number {
    const tag = this.byte()
    if (tag >= 0x90 && tag <= 0x9f) return tag & 0x0f
    if (tag === 0xdc) return this.view.getUint16(this.take(2))
    if (tag === 0xdd) return this.view.getUint32(this.take(4))
    throw malformed(`${what} is not an array`)
  }

  /** A map header: the number of its pairs. */
  mapHeader(what: string): number {
    const tag = this.byte()
    if (tag >= 0x80 && tag <= 0x8f) return tag & 0x0f
    if (tag === 0xde) return this.view.getUint16(this.take(2))
    if (tag === 0xdf) return this.view.getUint32(this.take(4))
    throw malformed(`${what} is not a map`)
  }

  /** A non-negative integer up to 2^53 - 1, in any of MessagePack's encodings (floats are refused). */
  uint(what: string): number {
    const tag = this.byte()
    if (tag <= 0x7f) return tag
    let value: number
    switch (tag) {
      case 0xcc:
        return this.byte()
      case 0xcd:
        return this.view.getUint16(this.take(2))
      case 0xce:
        return this.view.getUint32(this.take(4))
      case 0xcf:
        return this.uint64()
      case 0xd0:
        value = this.view.getInt8(this.take(1))
        break
      case 0xd1:
        value = this.view.getInt16(this.take(2))
        break
      case 0xd2:
        value = this.view.getInt32(this.take(4))
        break
      case 0xd3: {
        if (this.position < this.bytes.length && this.view.getUint8(this.position) >= 0x80) value = -1
        else return this.uint64()
        break
      }
      default:
        throw malformed(`${what} is not a non-negative integer`)
    }
    if (value < 0) throw malformed(`${what} is not a non-negative integer`)
    return value
  }

  uintOrNil(what: string): number | null {
    return this.nil() ? null : this.uint(what)
  }

  /** A string of at most `maxBytes` bytes of valid UTF-8. */
  string(what: string, maxBytes: number): string {
    const tag = this.byte()
    let length: number
    if (tag >= 0xa0 && tag <= 0xbf) length = tag & 0x1f
    else if (tag === 0xd9) length = this.byte()
    else if (tag === 0xda) length = this.view.getUint16(this.take(2))
    else if (tag === 0xdb) length = this.view.getUint32(this.take(4))
    else throw malformed(`${what} is not a string`)
    if (length > maxBytes) throw malformed(`${what} is longer than ${maxBytes} bytes`)
    const start = this.take(length)
    try {
      return utf8Decoder.decode(this.bytes.subarray(start, start + length))
    } catch {
      throw malformed(`${what} is not valid UTF-8`)
    }
  }

  stringOrNil(what: string, maxBytes: number): string | null {
    return this.nil() ? null : this.string(what, maxBytes)
  }

  /** Binary data, as a view into the frame: copy it if it is to outlive the frame's buffer. */
  binary(what: string): Uint8Array {
    const tag = this.byte()
    let length: number
    if (tag === 0xc4) length = this.byte()
    else if (tag === 0xc5) length = this.view.getUint16(this.take(2))
    else if (tag === 0xc6) length = this.view.getUint32(this.take(4))
    else throw malformed(`${what} is not binary data`)
    const start = this.take(length)
    return this.bytes.subarray(start, start + length)
  }

  binaryOrNil(what: string): Uint8Array | null {
    return this.nil() ? null : this.binary(what)
  }

  /** Consumes a nil if one stands here. */
  private nil(): boolean {
    if (this.position < this.bytes.length && this.view.getUint8(this.position) === 0xc0) {
      this.position++
      return true
    }
    return false
  }

  /** The bytes of one whole value of plain MessagePack (no extension types), nested at most `depth` deep. */
  value(what: string, depth: number): Uint8Array {
    const start = this.position
    this.skip(what, depth)
    return this.bytes.subarray(start, this.position)
  }

  /** Passes over one value, checking it. */
  skip(what: string, depth: number): void {
    const tag = this.byte()
    if (tag <= 0x7f || tag >= 0xe0) return
    if (tag <= 0x8f) return this.skipMany((tag & 0x0f) * 2, what, depth)
    if (tag <= 0x9f) return this.skipMany(tag & 0x0f, what, depth)
    if (tag <= 0xbf) return this.skipString(tag & 0x1f, what)
    switch (tag) {
      case 0xc0:
      case 0xc2:
      case 0xc3:
        return
      case 0xc4:
        this.take(this.byte())
        return
      case 0xc5:
        this.take(this.view.getUint16(this.take(2)))
        return
      case 0xc6:
        this.take(this.view.getUint32(this.take(4)))
        return
      case 0xca:
      case 0xce:
      case 0xd2:
        this.take(4)
        return
      case 0xcb:
      case 0xcf:
      case 0xd3:
        this.take(8)
        return
      case 0xcc:
      case 0xd0:
        this.take(1)
        return
      case 0xcd:
      case 0xd1:
        this.take(2)
        return
      case 0xd9:
        return this.skipString(this.byte(), what)
      case 0xda:
        return this.skipString(this.view.getUint16(this.take(2)), what)
      case 0xdb:
        return this.skipString(this.view.getUint32(this.take(4)), what)
      case 0xdc:
        return this.skipMany(this.view.getUint16(this.take(2)), what, depth)
      case 0xdd:
        return this.skipMany(this.view.getUint32(this.take(4)), what, depth)
      case 0xde:
        return this.skipMany(this.view.getUint16(this.take(2)) * 2, what, depth)
      case 0xdf:
        return this.skipMany(this.view.getUint32(this.take(4)) * 2, what, depth)
      default:
        throw malformed(`${what} holds a MessagePack extension type, which frames do not use`)
    }
  }

  private skipMany(count: number, what: string, depth: number): void {
    if (depth === 0) throw malformed(`${what} is nested too deeply`)
    // Every element takes a byte at least: a claimed length beyond that ends here, not after a long loop.
    if (count > this.bytes.length - this.position) throw malformed('the frame ends in the middle of a value')
    for (let i = 0; i < count; i++) this.skip(what, depth - 1)
  }

  private skipString(length: number, what: string): void {
    const start = this.take(length)
    try {
      utf8Decoder.decode(this.bytes.subarray(start, start + length))
    } catch {
      throw malformed(`${what} holds a string that is not valid UTF-8`)
    }
  }
}

/** Writes MessagePack, each value in its shortest encoding, into a buffer that grows. */
export class Writer {
  private bytes: Uint8Array
  private view: DataView
  private length = 0

  /** @param capacity expected size in bytes; the buffer grows beyond it as needed */
  constructor(capacity = 64) {
    this.bytes = new Uint8Array(capacity)
    this.view = new DataView(this.bytes.buffer)
  }

  private reserve(count: number): number {
    const at = this.length
    const needed = at + count
    if (needed > this.bytes.length) {
      const grown = new Uint8Array(Math.max(needed, this.bytes.length * 2))
      grown.set(this.bytes)
      this.bytes = grown
      this.view = new DataView(grown.buffer)
    }
    this.length = needed
    return at
  }

  /** What has been written, as a view of this writer's buffer. */
  finish(): Uint8Array {
    return this.bytes.subarray(0, this.length)
  }

  arrayHeader(count: number): this {
    if (count < 16) this.view.setUint8(this.reserve(1), 0x90 | count)
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

  /** A map header for fewer than 16 pairs: all that frames need. */
  smallMapHeader(count: number): this {
    this.view.setUint8(this.reserve(1), 0x80 | count)
    return this
  }

  /** An integer from 0 to 2^53 - 1. */
  uint(value: number): this {
    if (value < 0x80) this.view.setUint8(this.reserve(1), value)
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
    this.view.setUint8(this.reserve(1), 0xc0)
    return this
  }

  uintOrNil(value: number | null): this {
    return value === null ? this.nil() : this.uint(value)
  }

  string(text: string): this {
    const encoded = utf8Encoder.encode(text)
    const { length } = encoded
    if (length < 32) this.view.setUint8(this.reserve(1), 0xa0 | length)
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
    const { length } = data
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
    return this.raw(data)
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
