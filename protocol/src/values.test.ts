import { deepStrictEqual } from 'node:assert/strict'
import fc from 'fast-check'
import { Unpackr } from 'msgpackr'
import { describe, expect, test } from 'vitest'
import { ProtocolError, WireLimits, decodeValue, encodeValue } from './index.js'
import { plainValue } from './testing/arbitraries.js'

describe('payloads', () => {
  test('P2: every plain value survives encoding and decoding', () => {
    fc.assert(
      fc.property(plainValue, (value) => {
        deepStrictEqual(decodeValue(encodeValue(value)), value)
      }),
      { numRuns: 3000 },
    )
  })

  test('P2: another reader of MessagePack sees the same value', () => {
    const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType: 'number' })
    const json = fc.jsonValue({ noUnicodeString: false })
    fc.assert(
      fc.property(json, (value) => {
        // It renames the key, a precaution of its own.
        fc.pre(!JSON.stringify(value).includes('__proto__'))
        // Not through JSON.stringify, which turns -0 into 0.
        expect(unpackr.unpack(encodeValue(value))).toEqual(value)
      }),
    )
  })

  test('undefined is left out of objects, and null in arrays and alone, as in JSON', () => {
    expect(decodeValue(encodeValue({ a: undefined, b: 1 }))).toStrictEqual({ b: 1 })
    expect(decodeValue(encodeValue([undefined, 1]))).toStrictEqual([null, 1])
    expect(decodeValue(encodeValue(undefined))).toBeNull()
    expect(decodeValue(encodeValue([, 1]))).toStrictEqual([null, 1])
  })

  test('objects without a prototype are plain ones', () => {
    const bare = Object.assign(Object.create(null) as object, { a: 1 })
    expect(decodeValue(encodeValue(bare))).toStrictEqual({ a: 1 })
  })

  const cycle: unknown[] = []
  cycle.push({ cycle })
  const nested = (depth: number): unknown => (depth === 0 ? 1 : [nested(depth - 1)])
  class Point {
    x = 1
  }
  test.each<[string, unknown]>([
    ['a Date', new Date(0)],
    ['a Map', new Map()],
    ['a Set', new Set()],
    ['an Error', new Error('no')],
    ['a class instance', new Point()],
    ['a boxed number', Object(5)],
    ['a promise', Promise.resolve()],
    ['a function', () => 1],
    ['a function in an object', { f: () => 1 }],
    ['a symbol', Symbol('s')],
    ['a bigint', 1n],
    ['another typed array', new Uint16Array(2)],
    ['an ArrayBuffer', new ArrayBuffer(2)],
    ['an object whose prototype has no constructor', Object.create(Object.create(null) as object)],
    ['an object with a constructor that is none', Object.assign(new Point(), { constructor: undefined })],
    ['a cycle', cycle],
    ['a lone surrogate', 'a\ud800b'],
    ['a lone surrogate in a long string', 'x'.repeat(200) + '\udc00'],
    ['a lone surrogate in a key', { '\ud800': 1 }],
    ['nesting past the limit', nested(WireLimits.payloadDepth + 1)],
  ])('%s is refused when it is encoded, not by the server', (_, value) => {
    expect(() => encodeValue(value)).toThrow(ProtocolError)
  })

  test('nesting up to the limit is accepted by both sides', () => {
    const deepest = nested(WireLimits.payloadDepth)
    expect(decodeValue(encodeValue(deepest))).toStrictEqual(deepest)
  })

  test('a key __proto__ becomes a property and touches no prototype', () => {
    const hostile: unknown = JSON.parse(
      '{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}',
    )
    const decoded = decodeValue(encodeValue(hostile)) as Record<string, unknown>
    expect(Object.keys(decoded)).toEqual(['__proto__', 'constructor'])
    expect(Object.getPrototypeOf(decoded)).toBe(Object.prototype)
    expect(decoded.polluted).toBeUndefined()
    expect(({} as Record<string, unknown>).polluted).toBeUndefined()
  })

  test('a decoded value holds on to nothing of the bytes it came from', () => {
    const bytes = encodeValue({ data: Uint8Array.of(1, 2, 3) })
    const value = decodeValue(bytes)
    bytes.fill(0)
    expect(value).toEqual({ data: Uint8Array.of(1, 2, 3) })
  })
})
