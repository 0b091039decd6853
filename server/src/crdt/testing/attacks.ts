/* Updates that decode and are hostile: each costs those who apply it far more than it costs who sends it. */
import * as encoding from 'lib0/encoding'

/** `info` bytes of structs: see the scanner. */
const SKIP = 10
const STRING = 4
const TYPE = 7
const HAS_ORIGIN = 0x80
const HAS_RIGHT_ORIGIN = 0x40
const HAS_PARENT_SUB = 0x20

const MAP = 1

type Encoder = encoding.Encoder
const uint = encoding.writeVarUint
const text = encoding.writeVarString

const encode = (write: (encoder: Encoder) => void): Uint8Array => encoding.encode(write)

const section = (encoder: Encoder, structs: number, client: number, clock: number): void => {
  uint(encoder, structs)
  uint(encoder, client)
  uint(encoder, clock)
}

/** An item with a string in a root type. */
const inRoot = (encoder: Encoder, root: string, content: string): void => {
  encoding.write(encoder, STRING)
  uint(encoder, 1)
  text(encoder, root)
  text(encoder, content)
}

/** So many structs of two bytes each. */
export const tinyStructs = (count: number): Uint8Array =>
  encode((to) => {
    uint(to, 1)
    section(to, count, 7, 0)
    for (let i = 0; i < count; i++) {
      encoding.write(to, 0)
      uint(to, 1)
    }
    uint(to, 0)
  })

/** So many gaps between structs: none of them can be integrated, all of them wait. */
export const gaps = (count: number): Uint8Array =>
  encode((to) => {
    uint(to, 1)
    section(to, 2 * count, 7, 0)
    for (let i = 0; i < count; i++) {
      encoding.write(to, SKIP)
      uint(to, 1)
      encoding.write(to, 0)
      uint(to, 1)
    }
    uint(to, 0)
  })

/** So many authors of one struct each. */
export const manyClients = (count: number): Uint8Array =>
  encode((to) => {
    uint(to, count)
    for (let i = 0; i < count; i++) {
      section(to, 1, 10_000_000 - i, 0)
      encoding.write(to, 0)
      uint(to, 1)
    }
    uint(to, 0)
  })

/** So many single deletes, of what is not there. */
export const manyDeletes = (count: number): Uint8Array =>
  encode((to) => {
    uint(to, 0)
    uint(to, 1)
    uint(to, 7)
    uint(to, count)
    for (let i = 0; i < count; i++) {
      uint(to, 2 * i)
      uint(to, 1)
    }
  })

/** One struct at the last clock but one, which waits for four billion others. */
export const hugeClock = (): Uint8Array =>
  encode((to) => {
    uint(to, 1)
    section(to, 1, 7, 2 ** 32 - 3)
    encoding.write(to, 0)
    uint(to, 1)
    uint(to, 0)
  })

/** Everything that a client could ever write is deleted. */
export const giantDelete = (client: number): Uint8Array =>
  encode((to) => {
    uint(to, 0)
    uint(to, 1)
    uint(to, client)
    uint(to, 1)
    uint(to, 0)
    uint(to, 2 ** 32 - 1)
  })

/**
 * A chain of items, and as many others that all want to stand before it, each with another right origin: integration
 * compares every one of them with the whole chain. Quadratic, in the server's workers and in every client alike.
 */
export const quadratic = (count: number): Uint8Array =>
  encode((to) => {
    uint(to, 2)
    section(to, count, 9, 0)
    inRoot(to, 'hostile', 'x')
    for (let i = 1; i < count; i++) {
      encoding.write(to, STRING | HAS_ORIGIN)
      uint(to, 9)
      uint(to, i - 1)
      text(to, 'x')
    }
    section(to, count - 1, 1, 0)
    for (let i = 1; i < count; i++) {
      encoding.write(to, STRING | HAS_RIGHT_ORIGIN)
      uint(to, 9)
      uint(to, count - i)
      text(to, 'y')
    }
    uint(to, 0)
  })

/** Maps in maps; the outermost is deleted or not. */
export const nested = (depth: number, deleted: boolean): Uint8Array =>
  encode((to) => {
    uint(to, 1)
    section(to, depth, 7, 0)
    for (let i = 0; i < depth; i++) {
      encoding.write(to, TYPE | HAS_PARENT_SUB)
      uint(to, i === 0 ? 1 : 0)
      if (i === 0) text(to, 'nested')
      else {
        uint(to, 7)
        uint(to, i - 1)
      }
      text(to, 'k')
      uint(to, MAP)
    }
    uint(to, deleted ? 1 : 0)
    if (!deleted) return
    for (const each of [7, 1, 0, 1]) uint(to, each)
  })

/** Structs of another client's id, at clocks that it has used, with other content. */
export const forged = (client: number, length: number): Uint8Array =>
  encode((to) => {
    uint(to, 1)
    section(to, 1, client, 0)
    inRoot(to, 'text', '!'.repeat(length))
    uint(to, 0)
  })
