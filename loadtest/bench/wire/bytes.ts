/** Writes bytes into a buffer of the caller's, which must be large enough. Chainable, allocates nothing. */
export class ByteWriter {
  readonly bytes: Uint8Array
  at = 0

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  byte(value: number): this {
    this.bytes[this.at++] = value
    return this
  }

  /** An unsigned integer as lib0 writes it: seven bits a byte, the lowest first. */
  varUint(value: number): this {
    let rest = value
    while (rest > 0x7f) {
      this.bytes[this.at++] = 0x80 | (rest & 0x7f)
      // A client id has 32 bits: a signed shift would make it negative.
      rest = rest < 0x8000_0000 ? rest >> 7 : Math.floor(rest / 128)
    }
    this.bytes[this.at++] = rest
    return this
  }

  /** A MessagePack integer below 2^32, in its shortest encoding. */
  packedUint(value: number): this {
    if (value < 0x80) return this.byte(value)
    if (value < 0x100) return this.byte(0xcc).byte(value)
    if (value < 0x1_0000) return this.byte(0xcd).uint16(value)
    return this.byte(0xce).uint32(value)
  }

  /** Two bytes, the high one first. */
  uint16(value: number): this {
    return this.byte(value >>> 8).byte(value & 0xff)
  }

  /** Four bytes, the high one first. */
  uint32(value: number): this {
    return this.uint16(value >>> 16).uint16(value & 0xffff)
  }

  raw(data: Uint8Array): this {
    this.bytes.set(data, this.at)
    this.at += data.length
    return this
  }

  ascii(text: string): this {
    for (let i = 0; i < text.length; i++) this.bytes[this.at++] = text.charCodeAt(i)
    return this
  }

  /** What has been written. */
  finish(): Uint8Array {
    return this.bytes.subarray(0, this.at)
  }
}

/** @returns the unsigned integer in the `width` bytes from `at` on, the high one first */
export const readBigEndian = (bytes: Uint8Array, at: number, width: number): number => {
  let value = 0
  for (let i = at; i < at + width; i++) value = value * 256 + bytes[i]!
  return value
}

/** The bytes that {@link ByteWriter.varUint} takes for a value. */
export const varUintLength = (value: number): number => {
  let length = 1
  for (let rest = value; rest > 0x7f; rest = Math.floor(rest / 128)) length++
  return length
}

/** The bytes that {@link ByteWriter.packedUint} takes for a value. */
export const packedUintLength = (value: number): number =>
  value < 0x80 ? 1 : value < 0x100 ? 2 : value < 0x1_0000 ? 3 : 5
