/*
 * MessagePack value by value, https://github.com/msgpack/msgpack/blob/master/spec.md: what payloads and the client's side
 * of the codec are made of. Every page carries it, so it is small first. The server's reader and writer, which go field
 * by field and allocate nothing besides, are fast first. What one writes the other reads, and they refuse the same.
 *
 * Written here and not taken from a library because both ends must agree on what is refused, and because the libraries
 * build functions from strings, which a page with a strict Content-Security-Policy may not.
 */
import { peekUint8, readUint8, readUint8Array, type Decoder } from 'lib0/decoding'
import { write, writeFloat64, writeUint8Array, type Encoder } from 'lib0/encoding'
import { ProtocolError } from './errors.js'
import { isWellFormed } from './room-name.js'

const utf8Decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const utf8Encoder = new TextEncoder()

export const malformed = (message: string): ProtocolError => new ProtocolError('invalid_frame', message)

/** The bytes of a string. A lone surrogate, which UTF-8 does not have, becomes U+FFFD. */
export const utf8 = (text: string): Uint8Array => utf8Encoder.encode(text)

/** Sees to it that `count` bytes are there: lib0 does not. */
const need = (input: Decoder, count: number): void => {
  if (count > input.arr.length - input.pos) throw malformed('the frame ends in the middle of a value')
}

const readTag = (input: Decoder): number => {
  need(input, 1)
  return readUint8(input)
}

/** A view of the next bytes. */
const take = (input: Decoder, count: number): Uint8Array => {
  need(input, count)
  return readUint8Array(input, count)
}

const readBigEndian = (input: Decoder, size: number, signed = false): number => {
  need(input, size)
  let value = signed && peekUint8(input) > 127 ? -1 : 0
  while (size-- > 0) value = value * 256 + readUint8(input)
  if (!Number.isSafeInteger(value)) throw malformed('an integer is beyond 2^53 - 1')
  return value
}

const integerOf = (input: Decoder, tag: number): number | undefined => {
  if (tag < 0x80) return tag
  if (tag > 0xdf) return tag - 0x100
  return tag > 0xcb && tag < 0xd4 ? readBigEndian(input, 1 << (tag & 3), tag > 0xcf) : undefined
}

const lengthOfArray = (input: Decoder, tag: number): number | undefined => {
  if (tag > 0x8f && tag < 0xa0) return tag & 15
  return tag === 0xdc || tag === 0xdd ? readBigEndian(input, 2 << (tag & 1)) : undefined
}

const textOf = (input: Decoder, tag: number): string | undefined => {
  let length
  if (tag > 0x9f && tag < 0xc0) length = tag & 31
  else if (tag > 0xd8 && tag < 0xdc) length = readBigEndian(input, 1 << (tag - 0xd9))
  else return undefined
  const bytes = take(input, length)
  try {
    return utf8Decoder.decode(bytes)
  } catch {
    throw malformed('a string is not valid UTF-8')
  }
}

/** An integer from 0 to 2^53 - 1 in any encoding but a float's; undefined when something else is there. */
export const readUint = (input: Decoder): number | undefined => {
  const value = integerOf(input, readTag(input))
  return value === undefined || value < 0 ? undefined : value
}

/** The header of an array: the number of its elements; undefined when something else is there. */
export const readArrayLength = (input: Decoder): number | undefined => lengthOfArray(input, readTag(input))

/**
 * Reads one value: null, boolean, number, string, Uint8Array (a view), array or object. A key `__proto__` becomes
 * a property like any other; of equal keys, the last one counts.
 */
export const readValue = (input: Decoder, depth: number): unknown => {
  const tag = readTag(input)
  const scalar = integerOf(input, tag) ?? textOf(input, tag)
  if (scalar !== undefined) return scalar
  if (tag === 0xc0) return null
  if (tag === 0xc2 || tag === 0xc3) return tag === 0xc3
  if (tag > 0xc3 && tag < 0xc7) return take(input, readBigEndian(input, 1 << (tag & 3)))
  if (tag === 0xca || tag === 0xcb) {
    const bytes = take(input, tag === 0xca ? 4 : 8)
    const view = new DataView(bytes.buffer, bytes.byteOffset)
    return tag === 0xca ? view.getFloat32(0) : view.getFloat64(0)
  }
  const isMap = tag < 0x90 || tag > 0xdd
  const count = isMap ? lengthOfArray(input, tag < 0x90 ? tag + 0x10 : tag - 2) : lengthOfArray(input, tag)
  if (count === undefined) throw malformed('a MessagePack extension type, which frames do not use')
  if (depth === 0) throw malformed('a value is nested too deeply')
  const items: unknown[] = []
  const entries: [string, unknown][] = []
  for (let i = 0; i < count; i++) {
    if (!isMap) items.push(readValue(input, depth - 1))
    else {
      const key = textOf(input, readTag(input))
      if (key === undefined) throw malformed('a key of a map is not a string')
      entries.push([key, readValue(input, depth - 1)])
    }
  }
  return isMap ? Object.fromEntries(entries) : items
}

/** A tag and a number in as few bytes as hold it, of 1, 2, 4 and 8: tags are numbered so. */
const writeSized = (out: Encoder, tag: number, value: number, least = 0): void => {
  const magnitude = value < 0 ? -2 * value - 1 : value
  const size = magnitude < 0x100 ? 0 : magnitude < 0x1_0000 ? 1 : magnitude < 0x1_0000_0000 ? 2 : 3
  const bits = Math.max(size, least)
  write(out, tag + bits)
  for (let left = 1 << bits; left-- > 0; ) write(out, Math.floor(value / 0x100 ** left))
}

export const writeArrayLength = (out: Encoder, length: number): void => {
  if (length < 16) write(out, 0x90 | length)
  else writeSized(out, 0xdb, length, 1)
}

export const writeText = (out: Encoder, text: string): void => {
  const bytes = utf8(text)
  if (bytes.length < 32) write(out, 0xa0 | bytes.length)
  else writeSized(out, 0xd9, bytes.length)
  writeUint8Array(out, bytes)
}

const unfit = (what: string): ProtocolError =>
  malformed(`the payload holds ${what}, which has no place in it`)

/**
 * Writes one value: null, booleans, numbers, strings, Uint8Array, arrays and plain objects. As in JSON, properties that
 * are undefined are left out, and an undefined element is null.
 * @param depth how deep arrays and objects may be nested
 */
export const writeValue = (out: Encoder, value: unknown, depth: number): void => {
  if (value === undefined || value === null) write(out, 0xc0)
  else if (typeof value === 'boolean') write(out, value ? 0xc3 : 0xc2)
  else if (typeof value === 'number') {
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
      write(out, 0xcb)
      writeFloat64(out, value)
    } else if (value < 0x80 && value >= -0x20) write(out, value)
    else writeSized(out, value < 0 ? 0xd0 : 0xcc, value)
  } else if (typeof value === 'string') {
    if (!isWellFormed(value)) throw unfit('a string with a lone surrogate')
    writeText(out, value)
  } else if (value instanceof Uint8Array) {
    writeSized(out, 0xc4, value.length)
    writeUint8Array(out, value)
  } else if (typeof value !== 'object') throw unfit(`a ${typeof value}`)
  else if (depth === 0) throw malformed('the payload is nested too deeply, or refers to itself')
  else if (Array.isArray(value)) {
    writeArrayLength(out, value.length)
    for (const item of value) writeValue(out, item, depth - 1)
  } else {
    const prototype: unknown = Object.getPrototypeOf(value)
    if (prototype !== Object.prototype && prototype !== null)
      throw unfit(`an instance of ${String((Object(value.constructor) as { name?: unknown }).name)}`)
    const entries = Object.entries(value).filter(([, item]) => item !== undefined)
    if (entries.length < 16) write(out, 0x80 | entries.length)
    else writeSized(out, 0xdd, entries.length, 1)
    for (const [key, item] of entries) {
      writeValue(out, key, 0)
      writeValue(out, item, depth - 1)
    }
  }
}
