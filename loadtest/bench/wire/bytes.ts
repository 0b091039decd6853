/** Writes bytes into a buffer of the caller's, which must be large enough. Chainable, allocates nothing. */
export class ByteWriter {
  readonly bytes: Buffer
  at = 0

  constructor(bytes: Buffer) {
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
    if (value < 0x1_0000) {
      this.byte(0xcd)
      this.at = this.bytes.writeUInt16BE(value, this.at)
    } else {
      this.byte(0xce)
      this.at = this.bytes.writeUInt32BE(value, this.at)
    }
    return this
  }

  raw(data: Uint8Array): this {
    this.bytes.set(data, this.at)
    this.at += data.length
    return this
  }

  ascii(text: string): this {
    this.at += this.bytes.write(text, this.at, 'latin1')
    return this
  }

  /** What has been written. */
  finish(): Buffer {
    return this.bytes.subarray(0, this.at)
  }
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
