import { deepStrictEqual } from 'node:assert/strict'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  ProtocolError,
  Reader,
  WireLimits,
  Writer,
  decodeClientFrame,
  decodeServerFrame,
  decodeValue,
  encodeClientFrame,
  encodeServerFrame,
  encodeValue,
  readAwareness,
  syncHeader,
  type ClientFrame,
  type ServerFrame,
} from './index.js'
import { clientCases } from './testing/client-cases.js'
import { serverCases } from './testing/server-cases.js'
import { plainValue, text } from './testing/arbitraries.js'

const int = fc.oneof(fc.maxSafeNat(), fc.nat(70_000))
const n = int.map((value) => Math.max(1, value))
const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.uint8Array({ minLength: 65_530, maxLength: 65_540 }),
)
const id = fc.uint8Array({ minLength: 16, maxLength: 16 })
const label = fc.string({ maxLength: 64 })
const name = text(128)
const payload = plainValue.map(encodeValue)
const orNull = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(arbitrary, { nil: null })
const frame = <T extends string, F extends object>(type: T, fields: { [K in keyof F]: fc.Arbitrary<F[K]> }) =>
  fc.record({ type: fc.constant(type), ...fields }, { noNullPrototype: true }) as unknown as fc.Arbitrary<
    { type: T } & F
  >

const clientFrame: fc.Arbitrary<ClientFrame> = fc.oneof(
  frame('hello', { version: fc.constant(1), token: orNull(text(500)), clientId: id, agent: text(256) }),
  frame('join', {
    request: int,
    room: text(600),
    epoch: orNull(int),
    after: orNull(int),
    stateVector: orNull(bytes),
  }),
  frame('leave', { room: int }),
  frame('update', { room: int, n, update: bytes }),
  frame('seed', { room: int, n, update: bytes }),
  frame('history', {
    request: int,
    room: int,
    after: orNull(int),
    before: orNull(int),
    limit: fc.integer({ min: 1, max: WireLimits.historyLimit }),
  }),
  frame('presence', { room: int, awareness: bytes }),
  frame('append', { room: int, n, name, payload }),
  frame('broadcast', { room: int, name, payload }),
  frame('auth', { token: text(500) }),
  frame('ping', { id: int }),
  frame('pong', { id: int }),
)

const limits = fc.record(
  {
    frameBytes: int,
    updateBytes: int,
    eventBytes: int,
    presenceBytes: int,
    roomsPerConnection: int,
  },
  { noNullPrototype: true },
)

const message = { seq: int, author: orNull(text(500)), clientId: id, n, time: int, name, payload }

const serverFrame: fc.Arbitrary<ServerFrame> = fc.oneof(
  frame('welcome', {
    version: int,
    session: label,
    node: label,
    user: orNull(text(500)),
    heartbeat: int,
    limits,
  }),
  frame('joined', {
    request: int,
    room: int,
    epoch: int,
    head: int,
    access: fc.constantFrom('read' as const, 'write' as const),
    mode: fc.constantFrom('full' as const, 'resume' as const, 'diff' as const),
    stateVector: bytes,
  }),
  frame('sync', {
    room: int,
    part: fc.constantFrom('more' as const, 'update' as const, 'done' as const),
    data: bytes,
  }),
  frame('updates', { room: int, updates: fc.array(bytes, { maxLength: 20 }) }),
  frame('ack', { room: int, n, seq: int }),
  frame('nack', { room: int, n, code: label, message: text(1000) }),
  frame('presences', { room: int, awareness: bytes }),
  frame('event', { room: int, ...message }),
  frame('historyPage', {
    request: int,
    room: int,
    events: fc.array(fc.record(message, { noNullPrototype: true }), { maxLength: 20 }),
    more: fc.boolean(),
  }),
  frame('users', {
    room: int,
    users: fc.array(fc.record({ id: int, user: orNull(text(500)) }, { noNullPrototype: true }), {
      maxLength: 20,
    }),
  }),
  frame('broadcasted', { room: int, author: orNull(text(500)), name, payload }),
  frame('watermark', { room: int, seq: int }),
  frame('left', { room: int, code: label, message: text(1000) }),
  frame('access', {
    room: int,
    access: fc.constantFrom('read' as const, 'write' as const),
    message: text(1000),
  }),
  frame('error', { request: orNull(int), code: label, message: text(1000), retryAfter: int }),
  frame('authed', { user: orNull(text(500)), expires: orNull(int) }),
  frame('drain', { delay: int }),
  frame('ping', { id: int }),
  frame('pong', { id: int }),
)

/** What an attempt to decode does, where it may only succeed or throw ProtocolError. */
const attempt = (act: () => unknown): 'accepted' | 'refused' => {
  try {
    act()
    return 'accepted'
  } catch (error) {
    if (error instanceof ProtocolError) return 'refused'
    throw error
  }
}

const decoders: readonly (readonly [string, (bytes: Uint8Array) => unknown])[] = [
  ['decodeClientFrame', decodeClientFrame],
  ['decodeServerFrame', decodeServerFrame],
  ['decodeValue', decodeValue],
  ['readAwareness', (input) => readAwareness(input, 100, 10_000)],
]

describe('P1, P2: every frame survives encoding and decoding', () => {
  test('of a client', () => {
    fc.assert(
      fc.property(clientFrame, (value) => {
        deepStrictEqual(decodeClientFrame(encodeClientFrame(value)), value)
      }),
      { numRuns: 500 },
    )
  })

  test('of a server', () => {
    fc.assert(
      fc.property(serverFrame, (value) => {
        deepStrictEqual(decodeServerFrame(encodeServerFrame(value)), value)
      }),
      { numRuns: 500 },
    )
  })

  test('as a view into a larger buffer', () => {
    fc.assert(
      fc.property(clientFrame, fc.uint8Array({ maxLength: 9 }), (value, around) => {
        const encoded = encodeClientFrame(value)
        const buffer = Uint8Array.of(...around, ...encoded.subarray(0, 5000), ...around)
        fc.pre(encoded.length <= 5000)
        expect(decodeClientFrame(buffer.subarray(around.length, around.length + encoded.length))).toEqual(
          value,
        )
      }),
    )
  })
})

describe.each(decoders)('P3, P34: %s throws ProtocolError and nothing else', (_, decode) => {
  test('for arbitrary bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (input) => {
        attempt(() => decode(input))
      }),
      { numRuns: 5000 },
    )
  })

  test('for arrays of arbitrary bytes that begin like a frame', () => {
    const type = fc.integer({ min: 1, max: 32 })
    const header = fc.tuple(fc.integer({ min: 0x90, max: 0x9f }), type)
    fc.assert(
      fc.property(header, fc.uint8Array({ maxLength: 40 }), (start, rest) => {
        attempt(() => decode(Uint8Array.of(...start, ...rest)))
      }),
      { numRuns: 5000 },
    )
  })

  test('for frames with bytes changed, taken out and put in', () => {
    const originals = [
      ...clientCases.map((item) => item.bytes ?? encodeClientFrame(item.frame as ClientFrame)),
      ...serverCases.map((item) => item.bytes ?? encodeServerFrame(item.frame as ServerFrame)),
    ].filter(({ length }) => length < 2000)
    const edit = fc.record({
      at: fc.nat(2000),
      remove: fc.nat(3),
      insert: fc.oneof(
        fc.uint8Array({ maxLength: 3 }),
        // Headers that claim a great length, and the types that frames do not use.
        fc.constantFrom(
          [0xc6, 255, 255, 255, 255],
          [0xdb, 255, 255, 255, 255],
          [0xdf, 255, 255, 255, 255],
          [0xc1],
        ),
      ),
    })
    const seen = { accepted: 0, refused: 0 }
    fc.assert(
      fc.property(
        fc.constantFrom(...originals),
        fc.array(edit, { minLength: 1, maxLength: 3 }),
        (original, edits) => {
          const mutated = [...original]
          for (const { at, remove, insert } of edits)
            mutated.splice(at % (mutated.length + 1), remove, ...insert)
          seen[attempt(() => decode(Uint8Array.from(mutated)))]++
        },
      ),
      { numRuns: 10_000 },
    )
    expect(seen.refused, 'the mutations mutate').toBeGreaterThan(100)
  })

  test('for a depth that would overflow the stack', () => {
    for (const opening of [0x91, 0x81, 0xdd]) {
      const deep = new Uint8Array(1_000_000).fill(opening)
      expect(attempt(() => decode(Uint8Array.of(0x92, 0x3e, ...deep.subarray(0, 100_000))))).toBe('refused')
      expect(attempt(() => decode(deep))).toBe('refused')
    }
  })

  test('for a claimed length, without allocating it', () => {
    const before = process.memoryUsage()
    for (const header of [
      'c6ffffffff',
      'dbffffffff',
      'ddffffffff',
      'dfffffffff',
      '92 3e ddffffffff',
      '9307ddffffffff',
    ]) {
      const input = Uint8Array.from(Buffer.from(header.replaceAll(' ', ''), 'hex'))
      for (let i = 0; i < 100; i++) expect(attempt(() => decode(input))).toBe('refused')
    }
    const after = process.memoryUsage()
    expect(after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers).toBeLessThan(
      64 * 2 ** 20,
    )
  })
})

describe('the reader and the writer', () => {
  test('P2: the payload of a frame is accepted exactly when it decodes', () => {
    const accepted = { skip: 0 }
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 12 }), payload), (input) => {
        const reader = new Reader(input)
        const skipped = attempt(() => {
          reader.skip('it', WireLimits.payloadDepth)
          if (!reader.atEnd) throw new ProtocolError('invalid_frame', 'more')
        })
        expect(skipped).toBe(attempt(() => decodeValue(input)))
        if (skipped === 'accepted') accepted.skip++
      }),
      { numRuns: 5000 },
    )
    expect(accepted.skip).toBeGreaterThan(500)
  })

  test('a writer of any capacity writes the same bytes', () => {
    const list = (writer: Writer): Uint8Array =>
      writer.arrayHeader(5).uint(1).string('two').nil().boolean(true).binary(new Uint8Array(3)).finish()
    const reference = list(new Writer(1000))
    for (let capacity = 0; capacity < 40; capacity++) {
      const written = list(new Writer(capacity))
      expect(written, `capacity ${capacity}`).toEqual(reference)
    }
  })

  test('P2: what is no integer from 0 to 2^53 - 1 is not written as another one', () => {
    for (const value of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]) {
      expect(() => new Writer().uint(value), String(value)).toThrow(ProtocolError)
    }
  })

  test('P45: a message longer than clients take is cut, not sent as a malformed frame', () => {
    for (const message of ['x'.repeat(10_000), '日'.repeat(4096), '🧶'.repeat(2000)]) {
      const decoded = decodeServerFrame(
        encodeServerFrame({ type: 'left', room: 1, code: 'internal', message }),
      )
      expect(decoded.type === 'left' && message.startsWith(decoded.message.slice(0, -1))).toBe(true)
    }
  })
})

test('P17: a SYNC header and its data are the SYNC frame', () => {
  for (const length of [0, 1, 255, 256, 65_535, 65_536]) {
    const data = new Uint8Array(length).fill(7)
    const header = syncHeader(300, 'more', length)
    expect(Buffer.concat([header, data])).toEqual(
      Buffer.from(encodeServerFrame({ type: 'sync', room: 300, part: 'more', data })),
    )
  }
})
