/* What the frames of `vectors/client-frames.json` and `vectors/server-frames.json` share. */
import type { UnknownFrame } from '../frames.js'
import { fromHex } from './vector-json.js'

/** A frame worth writing down, and where its bytes are not the encoder's own: those bytes. */
export interface FrameCase<F> {
  readonly name: string
  /** Ids of the rules that it shows. */
  readonly rules: readonly string[]
  readonly frame: F | UnknownFrame
  /** Bytes that mean the frame, but are not what the encoder writes. */
  readonly bytes?: Uint8Array
}

/** A client id. */
export const id = fromHex('000102030405060708090a0b0c0d0e0f')
/** A Yjs update that inserts `hi`. */
export const update = fromHex('0101f5a0b5d90a000401047465787402686900')
/** Binary of a length. */
export const filled = (length: number): Uint8Array => new Uint8Array(length).fill(0xab)

/** One integer of every encoding, at both ends of each. */
export const boundaryIntegers = [
  0,
  127,
  128,
  255,
  256,
  65_535,
  65_536,
  2 ** 32 - 1,
  2 ** 32,
  2 ** 53 - 1,
] as const

/** Payloads of every kind. */
export const values: readonly (readonly [string, unknown])[] = [
  ['null', null],
  ['booleans', [true, false]],
  ['every size of integer', [...boundaryIntegers]],
  [
    'negative integers',
    [-1, -32, -33, -128, -129, -32_768, -32_769, -(2 ** 31), -(2 ** 31) - 1, -(2 ** 53) + 1],
  ],
  ['floats', [0.5, -1.25, 1e300, 5e-324]],
  ['strings of every length class', ['', 'x'.repeat(31), 'x'.repeat(32), 'x'.repeat(255), 'x'.repeat(256)]],
  ['Unicode, a leading byte order mark and NUL', ['\ufeffß日本🧶', 'a\0b']],
  ['binary', [new Uint8Array(), fromHex('00ff'), filled(256)]],
  ['nested', { thread: { id: 7, tags: ['a', 'b'], resolved: false, at: null } }],
  [
    'an array of 16 and a map of 16',
    [Array<number>(16).fill(1), Object.fromEntries(Array.from('abcdefghijklmnop', (key) => [key, 0]))],
  ],
  ['a key __proto__', Object.fromEntries([['__proto__', 1]])],
  ['nested 32 deep', JSON.parse('['.repeat(32) + ']'.repeat(32)) as unknown],
]

/** A frame for each boundary integer. */
export const ints = <F>(name: string, rules: readonly string[], make: (value: number) => F): FrameCase<F>[] =>
  boundaryIntegers.map((value) => ({ name: `${name} ${value}`, rules, frame: make(value) }))
