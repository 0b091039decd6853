/*
 * MessagePack value by value, https://github.com/msgpack/msgpack/blob/master/spec.md: what payloads and the client's side
 * of the codec are made of. Every page carries it, so it is small first. The server's reader and writer, which go field
 * by field and allocate nothing besides, are fast first. What one writes the other reads, and they refuse the same.
 *
 * Written here and not taken from a library because both ends must agree on what is refused, and because the libraries
 * build functions from strings, which a page with a strict Content-Security-Policy may not.
 */
import { ProtocolError } from './errors.js'
import {
  createEncoder,
  decodeUtf8,
  encodeUtf8,
  toUint8Array,
  write,
  writeFloat64,
  writeUint8Array,
  type Encoder,
} from './lib0.js'
import { isWellFormed } from './room-name.js'

/**
 * How a kind of value begins: the tag of the smallest, how many counts fit into the tag itself, the first of the tags that
 * a count follows, how many of them there are, and the bytes of the count after the first; each further tag doubles them.
 */
type Kind = readonly [fix: number, fixes: number, sized: number, sizes: number, bytes: number]

const uint: Kind = [0, 128, 0xcc, 4, 1]
const text: Kind = [0xa0, 32, 0xd9, 3, 1]
const binary: Kind = [0, 0, 0xc4, 3, 1]
const array: Kind = [0x90, 16, 0xdc, 2, 2]
const map: Kind = [0x80, 16, 0xde, 2, 2]

/* What is read, and how far. One at a time: nothing in here waits, or calls what could read something else. */
let input = new Uint8Array()
let at = 0

/** Reads the whole of some bytes. @throws {ProtocolError} `invalid_frame`, whatever is wrong with them */
export const decode = <T>(bytes: Uint8Array, read: () => T): T => {
  input = bytes as Uint8Array<ArrayBuffer>
  at = 0
  try {
    const value = read()
    if (at < bytes.length) throw new Error('bytes follow the frame')
    return value
  } catch (thrown) {
    throw new ProtocolError('invalid_frame', (thrown as Error).message)
  } finally {
    // A frame may be large.
    input = new Uint8Array()
  }
}

/** Whatever is wrong: which field it is in, the codec says. */
const fail = (): never => {
  throw new Error('no plain MessagePack, or not all of it')
}

const readByte = (): number => input[at++] ?? fail()

/** A view of the next bytes. */
const take = (count: number): Uint8Array => {
  if (count > input.length - at) fail()
  return input.subarray(at, (at += count))
}

/** @param value the sign: 0, or -1 */
const readBigEndian = (bytes: number, value = 0): number => {
  while (bytes-- > 0) value = value * 0x100 + readByte()
  return Number.isSafeInteger(value) ? value : fail()
}

/** The count that a value begins with; undefined when it is of another kind. */
const countOf = ([fix, fixes, sized, sizes, bytes]: Kind, tag: number): number | undefined => {
  if (tag >= fix && tag < fix + fixes) return tag - fix
  return tag >= sized && tag < sized + sizes ? readBigEndian(bytes << (tag - sized)) : undefined
}

const integerOf = (tag: number): number | undefined => {
  if (tag > 0xdf) return tag - 0x100
  return tag > 0xcf && tag < 0xd4
    ? readBigEndian(1 << (tag & 3), (input[at] ?? 0) < 0x80 ? 0 : -1)
    : countOf(uint, tag)
}

/** An integer from 0 to 2^53 - 1 in any encoding but a float's; undefined when something else is there. */
export const readUint = (): number | undefined => {
  const value = integerOf(readByte())
  return value === undefined || value < 0 ? undefined : value
}

/** The header of an array: the number of its elements; undefined when something else is there. */
export const readArrayLength = (): number | undefined => countOf(array, readByte())

/** Null if a nil stands here, else what `read` reads. */
export const readOrNull = <T>(read: () => T): T | null => {
  if (input[at] !== 0xc0) return read()
  at++
  return null
}

/** The bytes of one whole value, as a view. */
export const readRaw = (depth: number): Uint8Array => {
  const start = at
  readValue(depth)
  return input.subarray(start, at)
}

/**
 * Reads one value: null, boolean, number, string, Uint8Array (a view), array or object. A key `__proto__` becomes
 * a property like any other; of equal keys, the last one counts.
 */
export const readValue = (depth: number): unknown => {
  const tag = readByte()
  if (tag === 0xc0) return null
  if (tag === 0xc2 || tag === 0xc3) return tag === 0xc3
  if (tag === 0xca || tag === 0xcb) {
    const { buffer, byteOffset } = take(tag === 0xca ? 4 : 8)
    const view = new DataView(buffer, byteOffset)
    return tag === 0xca ? view.getFloat32(0) : view.getFloat64(0)
  }
  const integer = integerOf(tag)
  if (integer !== undefined) return integer
  const length = countOf(text, tag)
  if (length !== undefined) return decodeUtf8(take(length))
  const size = countOf(binary, tag)
  if (size !== undefined) return take(size)
  const items = countOf(array, tag)
  const pairs = countOf(map, tag)
  const count = items ?? pairs ?? -1
  // What is left are MessagePack's extension types.
  if (count < 0 || depth === 0) fail()
  const read: unknown[] = []
  while (read.length < count) {
    if (items === undefined) {
      const key = readValue(0)
      read.push(typeof key === 'string' ? [key, readValue(depth - 1)] : fail())
    } else read.push(readValue(depth - 1))
  }
  return items === undefined ? Object.fromEntries(read as [string, unknown][]) : read
}

/** Writes something into bytes of its own. */
export const encode = (fill: (out: Encoder) => void): Uint8Array => {
  const out = createEncoder()
  fill(out)
  return toUint8Array(out)
}

/** The beginning of a value, in as few bytes as hold its count. */
const writeCount = (out: Encoder, [fix, fixes, sized, , bytes]: Kind, count: number): void => {
  if (count >= 0 && count < fixes) {
    write(out, fix + count)
    return
  }
  let tag = sized
  const magnitude = count < 0 ? -2 * count - 1 : count
  for (; magnitude >= 0x100 ** bytes; bytes *= 2) tag++
  write(out, tag)
  while (bytes-- > 0) write(out, Math.floor(count / 0x100 ** bytes))
}

export const writeArrayLength = (out: Encoder, length: number): void => writeCount(out, array, length)

export const writeText = (out: Encoder, value: string): void => {
  // A lone surrogate, which UTF-8 does not have, becomes U+FFFD.
  const bytes = encodeUtf8(value)
  writeCount(out, text, bytes.length)
  writeUint8Array(out, bytes)
}

/** MessagePack as it is. */
export const writeRaw = writeUint8Array

/**
 * Writes one value: null, booleans, numbers, strings, Uint8Array, arrays and plain objects. As in JSON, properties that
 * are undefined are left out, and an undefined element is null.
 * @param depth how deep arrays and objects may be nested
 * @throws {ProtocolError} `invalid_frame` for anything else
 */
export const writeValue = (out: Encoder, value: unknown, depth: number): void => {
  if (value === undefined || value === null) write(out, 0xc0)
  else if (value === true || value === false) write(out, value ? 0xc3 : 0xc2)
  else if (typeof value === 'number') {
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
      write(out, 0xcb)
      writeFloat64(out, value)
    } else if (value < 0 && value >= -0x20) write(out, value)
    else writeCount(out, value < 0 ? negative : uint, value)
  } else if (typeof value === 'string') {
    if (!isWellFormed(value)) throw unfit('a lone surrogate')
    writeText(out, value)
  } else if (value instanceof Uint8Array) {
    writeCount(out, binary, value.length)
    writeUint8Array(out, value)
  } else {
    const prototype: unknown = Object.getPrototypeOf(value)
    const isArray = Array.isArray(value)
    if (!isArray && prototype !== Object.prototype && prototype !== null)
      throw unfit(`no plain value: ${Object.prototype.toString.call(value)}`)
    if (depth === 0) throw unfit('what is nested too deeply')
    if (isArray) {
      writeArrayLength(out, value.length)
      for (const item of value) writeValue(out, item, depth - 1)
    } else {
      const entries = Object.entries(value).filter(([, item]) => item !== undefined)
      writeCount(out, map, entries.length)
      for (const [key, item] of entries) {
        writeValue(out, key, 0)
        writeValue(out, item, depth - 1)
      }
    }
  }
}

const negative: Kind = [0, 0, 0xd0, 4, 1]

const unfit = (what: string): ProtocolError => new ProtocolError('invalid_frame', `the payload holds ${what}`)
