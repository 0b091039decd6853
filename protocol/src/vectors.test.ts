import { deepStrictEqual } from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { Unpackr } from 'msgpackr'
import { describe, expect, test } from 'vitest'
import {
  FrameType,
  ProtocolError,
  decodeClientFrame,
  decodeServerFrame,
  decodeValue,
  encodeClientFrame,
  encodeServerFrame,
  readAwareness,
  writeAwareness,
  type AwarenessEntry,
  type ClientFrame,
  type ServerFrame,
} from './index.js'
import { fromHex, fromVectorJson, toHex, type VectorJson } from './testing/vector-json.js'
import { printVectors, vectorFiles } from './testing/vectors.js'

interface FrameVector {
  readonly name: string
  readonly rules: readonly string[]
  readonly number: number
  readonly frame: VectorJson
  readonly value?: VectorJson
  readonly values?: readonly VectorJson[]
  readonly canonical: boolean
  readonly hex: string
}

const readText = (name: string): string =>
  readFileSync(new URL(`../vectors/${name}`, import.meta.url), 'utf8')
const read = (name: string): unknown => JSON.parse(readText(name))

const clientVectors = read('client-frames.json') as FrameVector[]
const serverVectors = read('server-frames.json') as FrameVector[]
const label = (vector: { name: string; rules: readonly string[] }): [string, never] => [
  `${vector.rules.join(' ')}: ${vector.name}`,
  vector as never,
]

// Independent of the codec here: another reader of MessagePack.
const independent = new Unpackr({ useRecords: false, mapsAsObjects: false, int64AsType: 'number' })

const enums = {
  access: ['read', 'write'],
  mode: ['full', 'resume', 'diff'],
  part: ['more', 'update', 'done'],
} as const

/** The elements that the tables of PROTOCOL.md give a frame, after its number. */
const elements = (vector: FrameVector): unknown[] => {
  const frame = fromVectorJson(vector.frame) as Record<string, unknown>
  return Object.entries(frame).flatMap(([key, field]) => {
    if (key === 'type') return []
    if (key === 'payload') return [asMaps(fromVectorJson(vector.value ?? null))]
    if (key === 'events' && Array.isArray(field)) return [messages(field, vector.values ?? [])]
    if (key === 'users' && Array.isArray(field)) {
      return [field.map((user: object) => Object.values(user).map(asMaps))]
    }
    if (key === 'access' || key === 'mode' || key === 'part') {
      return [enums[key].findIndex((name) => name === field)]
    }
    return [asMaps(field)]
  })
}

/** The messages of HISTORY_PAGE: an array each, with the value of its payload. */
const messages = (events: readonly object[], payloads: readonly VectorJson[]): unknown[] =>
  events.map((event, index) =>
    Object.entries(event).map(([key, field]) =>
      asMaps(key === 'payload' ? fromVectorJson(payloads[index] ?? null) : field),
    ),
  )

/** Objects as Maps, which keep a key `__proto__`; bytes as plain Uint8Arrays. */
const asMaps = (value: unknown): unknown => {
  if (value instanceof Uint8Array) return new Uint8Array(value)
  if (Array.isArray(value)) return value.map(asMaps)
  if (value instanceof Map) return new Map([...value].map(([key, item]) => [key, asMaps(item)] as const))
  if (typeof value !== 'object' || value === null) return value
  return new Map(Object.entries(value).map(([key, item]) => [key, asMaps(item)]))
}

const directions = [
  {
    sender: 'client' as const,
    vectors: clientVectors,
    decode: decodeClientFrame,
    encode: (frame: unknown) => encodeClientFrame(frame as ClientFrame),
  },
  {
    sender: 'server' as const,
    vectors: serverVectors,
    decode: decodeServerFrame,
    encode: (frame: unknown) => encodeServerFrame(frame as ServerFrame),
  },
]

describe.each(directions)('frames of a $sender', ({ vectors, decode, encode }) => {
  test.each(vectors.map(label))('%s', (_, vector: FrameVector) => {
    const bytes = fromHex(vector.hex)
    const frame = decode(bytes)
    deepStrictEqual(frame, fromVectorJson(vector.frame))
    if ('payload' in frame) {
      expect(asMaps(decodeValue(frame.payload))).toEqual(asMaps(fromVectorJson(vector.value ?? null)))
    }
    if ('events' in frame) {
      const decoded = frame.events.map((event) => asMaps(decodeValue(event.payload)))
      expect(decoded).toEqual(vector.values?.map((each) => asMaps(fromVectorJson(each))))
    }
    if (vector.canonical) expect(toHex(encode(fromVectorJson(vector.frame)))).toBe(vector.hex)

    const array = (asMaps(independent.unpack(bytes)) as unknown[]).slice()
    expect(array[0]).toBe(vector.number)
    if (vector.canonical) expect(array.slice(1)).toEqual(elements(vector))
  })

  test('P4: a frame with a surplus field means the same', () => {
    for (const vector of vectors.filter(({ canonical }) => canonical)) {
      const bytes = fromHex(vector.hex)
      // All frames have fewer than 15 elements: their header is one byte.
      const longer = Uint8Array.of((bytes[0] ?? 0) + 1, ...bytes.subarray(1), 0xc0)
      deepStrictEqual(decode(longer), fromVectorJson(vector.frame), vector.name)
    }
  })

  test('P3: a frame that is cut off anywhere, or goes on, is refused', () => {
    for (const vector of vectors) {
      const bytes = fromHex(vector.hex)
      const cuts = bytes.length < 1000 ? bytes.keys() : [0, 1, bytes.length >> 1, bytes.length - 1]
      for (const cut of cuts) expect(() => decode(bytes.subarray(0, cut)), vector.name).toThrow(ProtocolError)
      expect(() => decode(Uint8Array.of(...bytes, 0)), vector.name).toThrow('bytes follow the frame')
    }
  })
})

test('every frame type has a vector in its direction', () => {
  const covered = new Set([...clientVectors, ...serverVectors].map(({ number }) => number))
  for (const number of Object.values(FrameType)) expect(covered, `frame type ${number}`).toContain(number)
})

test('the vectors are those that the cases make (npm run vectors -w protocol)', () => {
  for (const [name, content] of Object.entries(vectorFiles())) {
    expect(readText(name), name).toBe(printVectors(content))
  }
})

interface InvalidVector {
  readonly name: string
  readonly rules: readonly string[]
  readonly sender: 'client' | 'server' | 'both'
  readonly code: string
  readonly hex: string
}

describe('frames that are refused', () => {
  test.each((read('invalid-frames.json') as InvalidVector[]).map(label))('%s', (_, vector: InvalidVector) => {
    for (const { sender, decode } of directions) {
      if (vector.sender !== 'both' && vector.sender !== sender) continue
      expect(refusal(() => decode(fromHex(vector.hex)))).toBe(vector.code)
    }
  })
})

const refusal = (act: () => unknown): string => {
  try {
    act()
  } catch (error) {
    if (error instanceof ProtocolError) return error.code
    throw error
  }
  return 'accepted'
}

describe('P30, P34: awareness updates', () => {
  const vectors = read('awareness.json') as {
    valid: { name: string; entries: AwarenessEntry[]; hex: string }[]
    invalid: {
      maxEntries: number
      maxStateBytes: number
      cases: { name: string; code: string; hex: string }[]
    }
  }

  test.each(vectors.valid.map((vector) => [vector.name, vector] as const))('%s', (_, vector) => {
    expect(readAwareness(fromHex(vector.hex), 10, 1000)).toEqual(vector.entries)
    expect(toHex(writeAwareness(vector.entries))).toBe(vector.hex)
  })

  test.each(vectors.invalid.cases.map((vector) => [vector.name, vector] as const))(
    'refused: %s',
    (_, vector) => {
      const { maxEntries, maxStateBytes } = vectors.invalid
      expect(refusal(() => readAwareness(fromHex(vector.hex), maxEntries, maxStateBytes))).toBe(vector.code)
    },
  )
})
