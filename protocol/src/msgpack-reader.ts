/*
 * The MessagePack of the frames: https://github.com/msgpack/msgpack/blob/master/spec.md
 *
 * Frames are flat arrays of a known shape, so they are read and written field by field: nothing is allocated for what
 * a hostile length claims, and every failure is one typed error. Free-form payloads are checked by `skip` and stay
 * bytes on the server; `decode` turns them into JavaScript values where somebody wants to see them. Written here and
 * not taken from a library because both ends must agree on what is refused, and because the libraries build functions
 * from strings, which a page with a strict Content-Security-Policy may not.
 */
import { ProtocolError } from './errors.js'

const utf8Decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

const malformed = (what: string): ProtocolError => new ProtocolError('invalid_frame', what)

/** Reads MessagePack from bytes, never past their end. Every method throws only {@link ProtocolError}. */
export class Reader {
  readonly bytes: Uint8Array
  private dataView: DataView | null = null
  position = 0

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  /** Made when it is needed: what most frames hold is read byte by byte, and a view costs more than that. */
  private get view(): DataView {
    return (this.dataView ??= new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.byteLength))
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
    return this.bytes[this.take(1)] ?? 0
  }

  private uint16(): number {
    const at = this.take(2)
    return ((this.bytes[at] ?? 0) << 8) | (this.bytes[at + 1] ?? 0)
  }

  private uint32(): number {
    return this.uint16() * 0x1_0000 + this.uint16()
  }

  private uint64(): number {
    const at = this.take(8)
    const value = this.view.getUint32(at) * 0x1_0000_0000 + this.view.getUint32(at + 4)
    if (value > Number.MAX_SAFE_INTEGER) throw malformed('an integer is beyond 2^53 - 1')
    return value
  }

  private int64(): number {
    const at = this.take(8)
    const value = this.view.getInt32(at) * 0x1_0000_0000 + this.view.getUint32(at + 4)
    if (!Number.isSafeInteger(value)) throw malformed('an integer is beyond 2^53 - 1')
    return value
  }

  /** An array header: the number of its elements. */
  arrayHeader(what: string): number {
    const tag = this.byte()
    if (tag >= 0x90 && tag <= 0x9f) return tag & 0x0f
    if (tag === 0xdc) return this.uint16()
    if (tag === 0xdd) return this.uint32()
    throw malformed(`${what} is not an array`)
  }

  /** A map header: the number of its pairs. */
  mapHeader(what: string): number {
    const tag = this.byte()
    if (tag >= 0x80 && tag <= 0x8f) return tag & 0x0f
    if (tag === 0xde) return this.uint16()
    if (tag === 0xdf) return this.uint32()
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
        return this.uint16()
      case 0xce:
        return this.uint32()
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
      case 0xd3:
        value = this.int64()
        break
      default:
        throw malformed(`${what} is not a non-negative integer`)
    }
    if (value < 0) throw malformed(`${what} is not a non-negative integer`)
    return value
  }

  boolean(what: string): boolean {
    const tag = this.byte()
    if (tag !== 0xc2 && tag !== 0xc3) throw malformed(`${what} is not a boolean`)
    return tag === 0xc3
  }

  uintOrNil(what: string): number | null {
    return this.nil() ? null : this.uint(what)
  }

  /** A string of at most `maxBytes` bytes of valid UTF-8. */
  string(what: string, maxBytes: number): string {
    const length = this.stringLength(what)
    if (length > maxBytes) throw malformed(`${what} is longer than ${maxBytes} bytes`)
    return this.utf8(length, what)
  }

  private stringLength(what: string): number {
    const tag = this.byte()
    if (tag >= 0xa0 && tag <= 0xbf) return tag & 0x1f
    if (tag === 0xd9) return this.byte()
    if (tag === 0xda) return this.uint16()
    if (tag === 0xdb) return this.uint32()
    throw malformed(`${what} is not a string`)
  }

  private utf8(length: number, what: string): string {
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
    else if (tag === 0xc5) length = this.uint16()
    else if (tag === 0xc6) length = this.uint32()
    else throw malformed(`${what} is not binary data`)
    const start = this.take(length)
    return this.bytes.subarray(start, start + length)
  }

  binaryOrNil(what: string): Uint8Array | null {
    return this.nil() ? null : this.binary(what)
  }

  /** Consumes a nil if one stands here. */
  private nil(): boolean {
    if (this.position < this.bytes.length && this.bytes[this.position] === 0xc0) {
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

  /** Passes over one value, checking it: exactly what {@link decode} accepts passes. */
  skip(what: string, depth: number): void {
    const tag = this.byte()
    if (tag <= 0x7f || tag >= 0xe0) return
    if (tag <= 0x8f) {
      this.skipMap(tag & 0x0f, what, depth)
      return
    }
    if (tag <= 0x9f) {
      this.skipArray(tag & 0x0f, what, depth)
      return
    }
    if (tag <= 0xbf) {
      this.utf8(tag & 0x1f, what)
      return
    }
    switch (tag) {
      case 0xc0:
      case 0xc2:
      case 0xc3:
        return
      case 0xc4:
        this.take(this.byte())
        return
      case 0xc5:
        this.take(this.uint16())
        return
      case 0xc6:
        this.take(this.uint32())
        return
      case 0xca:
      case 0xce:
      case 0xd2:
        this.take(4)
        return
      case 0xcb:
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
      case 0xcf:
        this.uint64()
        return
      case 0xd3:
        this.int64()
        return
      case 0xd9:
        this.utf8(this.byte(), what)
        return
      case 0xda:
        this.utf8(this.uint16(), what)
        return
      case 0xdb:
        this.utf8(this.uint32(), what)
        return
      case 0xdc: {
        this.skipArray(this.uint16(), what, depth)
        return
      }
      case 0xdd: {
        this.skipArray(this.uint32(), what, depth)
        return
      }
      case 0xde: {
        this.skipMap(this.uint16(), what, depth)
        return
      }
      case 0xdf: {
        this.skipMap(this.uint32(), what, depth)
        return
      }
      default:
        throw notPlain(what)
    }
  }

  /**
   * Reads one value: null, boolean, number, string, Uint8Array (a copy), array or object. A key `__proto__` becomes
   * a property like any other; of equal keys, the last one counts.
   */
  decode(what: string, depth: number): unknown {
    const tag = this.byte()
    if (tag <= 0x7f) return tag
    if (tag >= 0xe0) return tag - 0x100
    if (tag <= 0x8f) return this.decodeMap(tag & 0x0f, what, depth)
    if (tag <= 0x9f) return this.decodeArray(tag & 0x0f, what, depth)
    if (tag <= 0xbf) return this.utf8(tag & 0x1f, what)
    switch (tag) {
      case 0xc0:
        return null
      case 0xc2:
        return false
      case 0xc3:
        return true
      case 0xc4:
        return this.copy(this.byte())
      case 0xc5:
        return this.copy(this.uint16())
      case 0xc6:
        return this.copy(this.uint32())
      case 0xca:
        return this.view.getFloat32(this.take(4))
      case 0xcb:
        return this.view.getFloat64(this.take(8))
      case 0xcc:
        return this.byte()
      case 0xcd:
        return this.uint16()
      case 0xce:
        return this.uint32()
      case 0xcf:
        return this.uint64()
      case 0xd0:
        return this.view.getInt8(this.take(1))
      case 0xd1:
        return this.view.getInt16(this.take(2))
      case 0xd2:
        return this.view.getInt32(this.take(4))
      case 0xd3:
        return this.int64()
      case 0xd9:
        return this.utf8(this.byte(), what)
      case 0xda:
        return this.utf8(this.uint16(), what)
      case 0xdb:
        return this.utf8(this.uint32(), what)
      case 0xdc:
        return this.decodeArray(this.uint16(), what, depth)
      case 0xdd:
        return this.decodeArray(this.uint32(), what, depth)
      case 0xde:
        return this.decodeMap(this.uint16(), what, depth)
      case 0xdf:
        return this.decodeMap(this.uint32(), what, depth)
      default:
        throw notPlain(what)
    }
  }

  private copy(length: number): Uint8Array {
    const start = this.take(length)
    return this.bytes.slice(start, start + length)
  }

  /** Every element takes `bytesEach` at least: a claimed length beyond that ends here, not after a long loop. */
  private enter(count: number, bytesEach: number, what: string, depth: number): void {
    if (depth === 0) throw malformed(`${what} is nested too deeply`)
    if (count * bytesEach > this.bytes.length - this.position)
      throw malformed('the frame ends in the middle of a value')
  }

  private key(what: string): string {
    return this.utf8(this.stringLength(`a map key of ${what}`), what)
  }

  private skipArray(count: number, what: string, depth: number): void {
    this.enter(count, 1, what, depth)
    for (let i = 0; i < count; i++) this.skip(what, depth - 1)
  }

  private skipMap(count: number, what: string, depth: number): void {
    this.enter(count, 2, what, depth)
    for (let i = 0; i < count; i++) {
      this.key(what)
      this.skip(what, depth - 1)
    }
  }

  private decodeArray(count: number, what: string, depth: number): unknown[] {
    this.enter(count, 1, what, depth)
    const array: unknown[] = []
    for (let i = 0; i < count; i++) array.push(this.decode(what, depth - 1))
    return array
  }

  private decodeMap(count: number, what: string, depth: number): Record<string, unknown> {
    this.enter(count, 2, what, depth)
    const object: Record<string, unknown> = {}
    for (let i = 0; i < count; i++) {
      const key = this.key(what)
      const value = this.decode(what, depth - 1)
      // Assigning to `__proto__` would set the object's prototype instead.
      if (key === '__proto__') {
        Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true })
      } else object[key] = value
    }
    return object
  }
}

const notPlain = (what: string): ProtocolError =>
  malformed(`${what} holds a MessagePack extension type, which frames do not use`)
