import * as Y from 'yjs'
import { describe, expect, test } from 'vitest'
import { inspectUpdate, isLarge, LARGE_UPDATE, UpdateInvalidError } from './index.js'
import { randomDocument } from './testing/random-doc.js'
import { seededRandom } from './testing/random.js'

const bytes = (...values: (number | number[])[]): Uint8Array => Uint8Array.from(values.flat())
const text = (value: string): number[] => [value.length, ...Buffer.from(value)]

/** One client (7) with `structs` from `clock` on, and no deletes. */
const one = (clock: number, ...structs: number[][]): Uint8Array =>
  bytes(1, structs.length, 7, clock, structs.flat(), 0)
const gc = (len: number): number[] => [0, len]
const skip = (len: number): number[] => [10, len]
const string = (value: string): number[] => [4, 1, ...text('t'), ...text(value)]
const content = (kind: number, ...payload: number[]): number[] => [kind, 1, ...text('t'), ...payload]
const afterOrigin = (client: number, clock: number): number[] => [0x84, client, clock, ...text('x')]
const beforeRight = (client: number, clock: number): number[] => [0x44, client, clock, ...text('x')]
const inParent = (client: number, clock: number): number[] => [4, 0, client, clock, ...text('x')]
const anyObject = (...entries: number[][]): number[] => [118, entries.length, ...entries.flat()]
const big = (value: number): number[] => {
  const out: number[] = []
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...out, rest]
    out.push((rest % 128) + 128)
  }
}

describe('inspectUpdate says what an update holds and needs', () => {
  test.each<[string, Uint8Array, Partial<ReturnType<typeof inspectUpdate>>]>([
    ['nothing', bytes(0, 0), { structs: [], links: [], deps: [], empty: true }],
    [
      'a first string',
      one(0, string('abc')),
      { structs: [{ client: 7, clock: 0, len: 3 }], deps: [], empty: false },
    ],
    [
      'lengths in UTF-16 units',
      one(0, [4, 1, 1, 116, 6, 0xf0, 0x9f, 0x98, 0x80, 0xc3, 0xa4]),
      { structs: [{ client: 7, clock: 0, len: 3 }] },
    ],
    [
      'what comes before its first clock',
      one(5, gc(2)),
      { structs: [{ client: 7, clock: 5, len: 2 }], deps: [{ client: 7, clock: 4 }] },
    ],
    [
      'structs in a row as one range',
      one(0, gc(2), string('ab')),
      { structs: [{ client: 7, clock: 0, len: 4 }] },
    ],
    [
      'a gap as two ranges',
      one(0, gc(1), skip(3), gc(2)),
      {
        structs: [
          { client: 7, clock: 0, len: 1 },
          { client: 7, clock: 4, len: 2 },
        ],
        deps: [{ client: 7, clock: 3 }],
      },
    ],
    [
      'the origin of another client',
      one(0, afterOrigin(9, 4)),
      {
        links: [{ client: 7, clock: 0, needs: { client: 9, clock: 4 } }],
        deps: [{ client: 9, clock: 4 }],
      },
    ],
    ['the right origin', one(0, beforeRight(9, 4)), { deps: [{ client: 9, clock: 4 }] }],
    ['the parent', one(0, inParent(9, 4)), { deps: [{ client: 9, clock: 4 }] }],
    [
      'the highest need of a client',
      one(0, afterOrigin(9, 4), afterOrigin(9, 2), afterOrigin(9, 6)),
      {
        links: [
          { client: 7, clock: 0, needs: { client: 9, clock: 4 } },
          { client: 7, clock: 2, needs: { client: 9, clock: 6 } },
        ],
        deps: [{ client: 9, clock: 6 }],
      },
    ],
    [
      'not what it supplies itself',
      bytes(2, 1, 9, 3, gc(2), 1, 7, 0, afterOrigin(9, 4), 0),
      {
        links: [{ client: 7, clock: 0, needs: { client: 9, clock: 4 } }],
        deps: [{ client: 9, clock: 2 }],
      },
    ],
    [
      'what it deletes',
      bytes(0, 1, 9, 2, 1, 2, 5, 3),
      { structs: [], deps: [{ client: 9, clock: 7 }], empty: false },
    ],
    ['a delete of its own struct needs nothing', bytes(1, 1, 7, 0, gc(3), 1, 7, 1, 0, 3), { deps: [] }],
  ])('%s', (_name, update, expected) => {
    expect(inspectUpdate(update)).toMatchObject({ ...expected, byteLength: update.byteLength })
  })

  test('every range and need agrees with what Yjs decodes, for all kinds of content', () => {
    for (let seed = 0; seed < 30; seed++) {
      const { docs, updates } = randomDocument(seededRandom(seed), { users: 3, edits: 30 })
      for (const update of [...updates, Y.mergeUpdates([...updates]), Y.encodeStateAsUpdate(docs[0]!)]) {
        const decoded: { client: number; clock: number; len: number }[] = []
        for (const struct of Y.decodeUpdate(update).structs) {
          const last = decoded.at(-1)
          const { client, clock } = struct.id
          if (struct instanceof Y.Skip) continue
          if (last?.client === client && last.clock + last.len === clock) last.len += struct.length
          else decoded.push({ client, clock, len: struct.length })
        }
        expect(inspectUpdate(update).structs).toEqual(decoded)
      }
    }
  })
})

describe('inspectUpdate refuses what Yjs fails on now or later (I7)', () => {
  test.each<[string, Uint8Array]>([
    ['no bytes', bytes()],
    ['the end missing', one(0, string('abc')).subarray(0, 8)],
    ['no delete set', bytes(0)],
    ['bytes after the end', bytes(0, 0, 0)],
    ['more structs than bytes', bytes(1, big(2 ** 40), 7, 0, gc(1), 0)],
    ['an origin at the own clock', one(3, afterOrigin(7, 3))],
    ['an origin at a later own clock', one(0, afterOrigin(7, 5))],
    ['a right origin at the own clock', one(0, beforeRight(7, 0))],
    ['a parent at the own clock', one(0, inParent(7, 0))],
    ['an empty string', one(0, string(''))],
    ['a GC of no length', one(0, gc(0))],
    ['a skip of no length', one(0, gc(1), skip(0), gc(1))],
    ['deleted content of no length', one(0, content(1, 0))],
    ['no JSON values', one(0, content(2, 0))],
    ['no values', one(0, content(8, 0))],
    ['a delete of no length', bytes(0, 1, 9, 1, 4, 0)],
    ['deletes out of order (they become other deletes)', bytes(0, 1, 9, 2, 5, 1, 1, 1)],
    ['deletes that overlap', bytes(0, 1, 9, 2, 1, 5, 3, 1)],
    ['deletes of one client twice', bytes(0, 2, 9, 1, 5, 1, 9, 1, 1, 1)],
    ['a client with no deletes', bytes(0, 1, 9, 0)],
    ['one client twice (applyUpdate drops the first)', bytes(2, 1, 7, 0, gc(1), 1, 7, 1, gc(1), 0)],
    ['clients ascending (mergeUpdates drops content)', bytes(2, 1, 7, 0, gc(1), 1, 9, 0, gc(1), 0)],
    ['a client without structs', bytes(1, 0, 7, 0, 0)],
    ['a clock beyond 2^32', bytes(1, 1, 7, big(2 ** 32), gc(1), 0)],
    ['a length beyond 2^32', bytes(1, 1, 7, 5, 0, big(2 ** 32 - 1), 0)],
    ['a delete beyond 2^32', bytes(0, 1, 9, 1, 1, big(2 ** 32))],
    ['a client id beyond 2^53', bytes(1, 1, big(2 ** 53), 0, gc(1), 0)],
    ['an unknown kind of content', one(0, content(11, 1))],
    ['a skip with flags', one(0, [0x8a, 9, 0, 1])],
    ['an unknown shared type', one(0, content(7, 7))],
    ['an unknown kind of parent', one(0, [4, 2, ...text('t'), ...text('x')])],
    ['bytes that are not UTF-8', one(0, content(4, 2, 0xc3, 0x28))],
    ['JSON that does not parse', one(0, content(5, ...text('{')))],
    [
      'JSON nested too deeply to be written again',
      one(0, [
        5,
        1,
        ...text('t'),
        ...big(10_000),
        ...text('['.repeat(5000)).slice(1),
        ...text(']'.repeat(5000)).slice(1),
      ]),
    ],
    [
      'values nested too deeply',
      one(0, content(8, 1, ...Array.from({ length: 5000 }, () => [117, 1]).flat(), 126)),
    ],
    [
      'a prototype in a value (encoding it throws)',
      one(0, content(8, 1, ...anyObject([...text('__proto__'), 116, 1, 0]))),
    ],
    ['a prototype in JSON', one(0, content(5, ...text('{"a":[{"__proto__":{}}]}')))],
    ['an unknown value type', one(0, content(8, 1, 5))],
    ['a subdocument without options', one(0, content(9, ...text('g'), 126))],
    [
      'a subdocument with another guid',
      one(0, content(9, ...text('g'), ...anyObject([...text('guid'), 125, 1]))),
    ],
  ])('%s', (_name, update) => {
    expect(() => inspectUpdate(update)).toThrow(UpdateInvalidError)
    try {
      inspectUpdate(update)
    } catch (error) {
      expect(error).toMatchObject({ code: 'update_invalid' })
    }
  })

  test('the same structs with sound values pass: the table refuses for the reason it names', () => {
    for (const update of [
      one(3, afterOrigin(7, 2)),
      one(1, beforeRight(7, 0)),
      one(1, inParent(7, 0)),
      one(0, content(1, 4)),
      one(0, content(2, 2, ...text('undefined'), ...text('{"a":1}'))),
      one(0, content(5, ...text('{"a":[{"proto":{}}]}'))),
      one(0, content(8, 1, ...anyObject([...text('proto'), 116, 1, 0]))),
      one(0, content(9, ...text('g'), ...anyObject([...text('gc'), 121]))),
      bytes(0, 1, 9, 2, 1, 1, 5, 1),
      bytes(0, 2, 7, 1, 0, 1, 9, 1, 0, 1),
      bytes(1, 1, big(2 ** 53 - 1), big(2 ** 32 - 2), gc(1), 0),
    ]) {
      expect(inspectUpdate(update).byteLength).toBe(update.byteLength)
      Y.mergeUpdates([update, one(0, gc(9))])
    }
  })
})

describe('isLarge sends an update to a worker before it costs the event loop anything (I5)', () => {
  test.each<[string, Uint8Array, boolean]>([
    ['a keystroke', one(0, string('a')), false],
    ['64 KiB', new Uint8Array(LARGE_UPDATE.bytes), false],
    ['more than 64 KiB', new Uint8Array(LARGE_UPDATE.bytes + 1), true],
    ['many structs', bytes(1, big(5000), 7, 0, Array.from({ length: 5000 }, () => gc(1)).flat(), 0), true],
    ['a small one that claims many', bytes(1, big(5000), 7, 0), false],
    ['many clients', bytes(big(300), new Array<number>(1500).fill(0)), true],
    ['not an update', new Uint8Array(1000).fill(255), false],
  ])('%s', (_name, update, large) => {
    expect(isLarge(update)).toBe(large)
  })
})
