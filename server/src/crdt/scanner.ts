import * as decoding from 'lib0/decoding'
import { UpdateInvalidError } from './errors.js'
import type { Range } from './inspect.js'

/**
 * The byte layout of a Yjs update, v1 (yjs `utils/encoding.js`, `structs/*.js`); every number is a varUint:
 *
 *     clients, then for each client, higher ids first:
 *       structs, client, clock of the first, then for each struct:
 *         info (one byte)  bits 1-5: kind; bit 6: parentSub; bit 7: right origin; bit 8: origin
 *         kind 0: GC       len
 *         kind 10: Skip    len (the whole byte is 10)
 *         kind 1-9: Item   [origin] [right origin] [parent, and parentSub, when neither origin is there] content
 *     clients with deletes, then for each client:
 *       client, ranges, then for each range: clock, len
 */
const KIND = 0b0001_1111
const HAS_PARENT_SUB = 0b0010_0000
const HAS_RIGHT_ORIGIN = 0b0100_0000
const HAS_ORIGIN = 0b1000_0000

/** Clocks stay below this. One client does not write 4 billion changes, and Yjs' v2 encoding overflows at 2^51. */
const MAX_CLOCK = 2 ** 32
/** Yjs 13 draws 32-bit client ids, later ones 53 bits. */
const MAX_CLIENT = Number.MAX_SAFE_INTEGER
/** Of JSON-like values. Deeper ones decode, but `JSON.stringify` and the encoder overflow the stack on them. */
const MAX_DEPTH = 200

/** `content` kinds of an Item. */
const DELETED = 1
const JSON_VALUES = 2
const BINARY = 3
const STRING = 4
const EMBED = 5
const FORMAT = 6
const TYPE = 7
const ANY_VALUES = 8
const DOC = 9

/** Kinds of shared types (`ContentType`); elements and hooks have a name. */
const LAST_TYPE = 6
const XML_ELEMENT = 3
const XML_HOOK = 5

const NO_BYTES = new Uint8Array()
export const NO_RANGES: readonly Range[] = []

const PROTO = '__proto__'

/** Reads one update from front to back, without building structs. Throws on everything that Yjs would choke on. */
export class StructScanner {
  /** Of the struct read last: it is a gap, not content. */
  isSkip = false
  /** Of the struct read last: how many structs it refers to (two at most), and which. */
  needCount = 0
  needClient = 0
  needClock = 0
  secondNeedClient = 0
  secondNeedClock = 0
  /** Shared types among the structs read since `open`. */
  typeCount = 0
  private readonly decoder = new decoding.Decoder<ArrayBufferLike>(NO_BYTES)

  /** Starts on an update. One scanner serves all of them: a keystroke takes less time than making a new one. */
  open(update: Uint8Array): void {
    this.decoder.arr = update
    this.decoder.pos = 0
    this.typeCount = 0
  }

  /** Lets go of the update. */
  close(): void {
    this.decoder.arr = NO_BYTES
  }

  count(): number {
    return decoding.readVarUint(this.decoder)
  }

  client(): number {
    const client = decoding.readVarUint(this.decoder)
    if (client > MAX_CLIENT) throw new UpdateInvalidError('client id out of range')
    return client
  }

  clock(): number {
    const clock = decoding.readVarUint(this.decoder)
    if (clock >= MAX_CLOCK) throw new UpdateInvalidError(`clock ${clock} out of range`)
    return clock
  }

  /** The clock after a struct or delete. */
  end(clock: number, len: number): number {
    // Zero lengths end in endless loops, unexpected cases and negative numbers in yjs' v2 encoding.
    if (len === 0) throw new UpdateInvalidError(`zero length at clock ${clock}`)
    if (clock + len > MAX_CLOCK) throw new UpdateInvalidError(`length ${len} at clock ${clock} out of range`)
    return clock + len
  }

  /** Reads the struct at (client, clock) and returns its length. */
  struct(client: number, clock: number): number {
    const info = this.byte()
    const kind = info & KIND
    this.needCount = 0
    this.isSkip = info === 10
    if (this.isSkip || kind === 0) return decoding.readVarUint(this.decoder)
    if ((info & HAS_ORIGIN) !== 0) this.need(client, clock)
    if ((info & HAS_RIGHT_ORIGIN) !== 0) this.need(client, clock)
    if ((info & (HAS_ORIGIN | HAS_RIGHT_ORIGIN)) === 0) {
      const named = decoding.readVarUint(this.decoder)
      if (named === 1) this.string()
      else if (named === 0) this.need(client, clock)
      else throw new UpdateInvalidError(`unknown kind of parent ${named}`)
      if ((info & HAS_PARENT_SUB) !== 0) this.string()
    }
    return this.content(kind)
  }

  /** Reads the delete set, which follows the structs; one of more than `most` ranges is refused. */
  deletes(most: number): readonly Range[] {
    const clients = this.count()
    if (clients === 0) return NO_RANGES
    const deletes: Range[] = []
    let seen: Set<number> | null = null
    for (let i = 0; i < clients; i++) {
      const client = this.client()
      if (clients > 1) {
        seen ??= new Set()
        // Twice the same client: what waits for its structs is encoded out of order, and then deletes something else.
        if (seen.has(client)) throw new UpdateInvalidError(`deletes of client ${client} twice`)
        seen.add(client)
      }
      const ranges = this.count()
      if (ranges === 0) throw new UpdateInvalidError(`client ${client} without deletes`)
      if (deletes.length + ranges > most)
        throw new UpdateInvalidError(`the update has more than ${most} deletes`)
      let last = 0
      for (let n = 0; n < ranges; n++) {
        const clock = this.clock()
        // Pending deletes are stored as differences: unordered ones become garbage that deletes other content.
        if (clock < last) throw new UpdateInvalidError(`deletes of client ${client} out of order`)
        const len = decoding.readVarUint(this.decoder)
        last = this.end(clock, len)
        deletes.push({ client, clock, len })
      }
    }
    return deletes
  }

  finish(): void {
    const rest = this.decoder.arr.length - this.decoder.pos
    if (rest !== 0) throw new UpdateInvalidError(`${rest} bytes after the end`)
  }

  private byte(): number {
    const byte = this.decoder.arr[this.decoder.pos++]
    if (byte === undefined) throw new UpdateInvalidError('unexpected end')
    return byte
  }

  private skip(bytes: number): void {
    this.decoder.pos += bytes
    if (this.decoder.pos > this.decoder.arr.length) throw new UpdateInvalidError('unexpected end')
  }

  private need(client: number, clock: number): void {
    const needClient = this.client()
    const needClock = this.clock()
    // It decodes, but every document that integrates it throws: it looks for a struct that cannot be there yet.
    if (needClient === client && needClock >= clock) {
      throw new UpdateInvalidError(`client ${client} at ${clock} refers to itself or later`)
    }
    if (this.needCount++ === 0) {
      this.needClient = needClient
      this.needClock = needClock
    } else {
      this.secondNeedClient = needClient
      this.secondNeedClock = needClock
    }
  }

  private content(kind: number): number {
    switch (kind) {
      case DELETED:
        return decoding.readVarUint(this.decoder)
      case JSON_VALUES: {
        const count = this.count()
        for (let i = 0; i < count; i++) this.json(true)
        return count
      }
      case BINARY:
        this.skip(decoding.readVarUint(this.decoder))
        return 1
      case STRING:
        return this.string()
      case EMBED:
        this.json(false)
        return 1
      case FORMAT:
        this.string()
        this.json(false)
        return 1
      case TYPE: {
        const type = decoding.readVarUint(this.decoder)
        this.typeCount++
        if (type > LAST_TYPE) throw new UpdateInvalidError(`unknown shared type ${type}`)
        if (type === XML_ELEMENT || type === XML_HOOK) this.string()
        return 1
      }
      case ANY_VALUES: {
        const count = this.count()
        for (let i = 0; i < count; i++) this.any(0)
        return count
      }
      case DOC:
        this.string()
        this.subdocumentOptions()
        return 1
      default:
        throw new UpdateInvalidError(`unknown content ${kind}`)
    }
  }

  /** Returns the length in UTF-16 units, which is what Yjs counts. */
  private string(): number {
    const bytes = decoding.readVarUint(this.decoder)
    const { arr, pos } = this.decoder
    const end = pos + bytes
    if (end > arr.length) throw new UpdateInvalidError('unexpected end')
    for (let i = pos; i < end; i++) {
      if ((arr[i] ?? 0) >= 0x80) return this.text(pos, end).length
    }
    this.decoder.pos = end
    return bytes
  }

  /** Throws on bytes that are not UTF-8. */
  private text(pos: number, end: number): string {
    this.decoder.pos = end
    return utf8.decode(this.decoder.arr.subarray(pos, end))
  }

  private json(undefinedAllowed: boolean): void {
    const bytes = decoding.readVarUint(this.decoder)
    const pos = this.decoder.pos
    this.skip(bytes)
    const text = this.text(pos, pos + bytes)
    if (undefinedAllowed && text === 'undefined') return
    checkJson(JSON.parse(text), 0)
  }

  /** lib0's `any` encoding: a type byte counting down from 127, then the value. */
  private any(depth: number): void {
    if (depth > MAX_DEPTH) throw new UpdateInvalidError('value nested too deeply')
    const type = this.byte()
    switch (type) {
      case 127: // undefined
      case 126: // null
      case 121: // false
      case 120: // true
        return
      case 125: // integer
        this.varInt()
        return
      case 124: // float 32
        this.skip(4)
        return
      case 123: // float 64
      case 122: // bigint 64
        this.skip(8)
        return
      case 119:
        this.string()
        return
      case 118:
        this.object(depth)
        return
      case 117: {
        const count = this.count()
        for (let i = 0; i < count; i++) this.any(depth + 1)
        return
      }
      case 116: // bytes
        this.skip(decoding.readVarUint(this.decoder))
        return
      default:
        throw new UpdateInvalidError(`unknown value type ${type}`)
    }
  }

  private object(depth: number): void {
    const count = this.count()
    for (let i = 0; i < count; i++) {
      this.key()
      this.any(depth + 1)
    }
  }

  private subdocumentOptions(): void {
    if (this.byte() !== 118) throw new UpdateInvalidError('subdocument options are not an object')
    const count = this.count()
    for (let i = 0; i < count; i++) {
      // Yjs spreads the options over its own: another guid than a string breaks the encoder.
      if (this.key() === 'guid') throw new UpdateInvalidError('subdocument options with a guid')
      this.any(1)
    }
  }

  private key(): string {
    const bytes = decoding.readVarUint(this.decoder)
    const pos = this.decoder.pos
    this.skip(bytes)
    const key = this.text(pos, pos + bytes)
    // The decoder assigns it, which sets the prototype: `instanceof Uint8Array` is then true, and encoding throws.
    if (key === PROTO) throw new UpdateInvalidError(`object with the key ${PROTO}`)
    return key
  }

  private varInt(): void {
    this.byte()
    this.decoder.pos--
    decoding.readVarInt(this.decoder)
    if (this.decoder.pos > this.decoder.arr.length) throw new UpdateInvalidError('unexpected end')
  }
}

// As yjs decodes: invalid bytes throw, and a byte order mark is a character.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function checkJson(value: unknown, depth: number): void {
  if (typeof value !== 'object' || value === null) return
  if (depth > MAX_DEPTH) throw new UpdateInvalidError('value nested too deeply')
  if (Array.isArray(value)) {
    for (const each of value) checkJson(each, depth + 1)
    return
  }
  for (const [key, each] of Object.entries(value)) {
    // Pending structs go through yjs' v2 encoding, whose decoder makes a prototype of it.
    if (key === PROTO) throw new UpdateInvalidError(`object with the key ${PROTO}`)
    checkJson(each, depth + 1)
  }
}
