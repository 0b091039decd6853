import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { asRoomId } from '../ids.js'
import {
  decodeCommitsPayload,
  decodeNodePayload,
  decodeRoomPayload,
  encodeHearsCommits,
  encodeMessage,
  encodeRoomNotice,
  encodeSender,
} from './bus-codec.js'
import type { BusMessage } from './types.js'

const uint = fc.oneof(fc.maxSafeNat(), fc.nat(300))
const text = fc.string({ unit: 'grapheme', maxLength: 40 })
const textOrNull = fc.option(text)
const bytes = fc.uint8Array({ maxLength: 400 })

const message: fc.Arbitrary<BusMessage> = fc.oneof(
  fc.record({ kind: fc.constant('relay' as const), first: uint, updates: fc.array(bytes) }),
  fc.record({
    kind: fc.constant('committed' as const),
    head: uint,
    updates: fc.array(fc.record({ seq: uint, number: uint })),
    messages: fc.array(
      fc.record({
        seq: uint,
        kind: fc.constantFrom('update' as const, 'message' as const),
        author: textOrNull,
        clientId: textOrNull,
        clientSeq: fc.option(uint),
        name: textOrNull,
        payload: bytes,
        createdAt: uint,
      }),
    ),
  }),
  fc.record({ kind: fc.constant('broadcast' as const), author: textOrNull, name: text, payload: bytes }),
  fc.record({
    kind: fc.constant('presence' as const),
    whole: fc.boolean(),
    entries: fc.array(
      fc.record({ connection: text, user: textOrNull, clientId: uint, clock: uint, state: textOrNull }),
    ),
  }),
  fc.constant({ kind: 'presence_wanted' as const }),
)

const payloadOf = (from: string, ...parts: readonly Uint8Array[]): Uint8Array =>
  new Uint8Array(Buffer.concat([encodeSender(from), ...parts]))

describe('the bytes of the bus', () => {
  test('every message of a room comes out as it went in, in order', () => {
    fc.assert(
      fc.property(fc.array(message, { minLength: 1, maxLength: 8 }), (messages) => {
        const payload = payloadOf('a', ...messages.map(encodeMessage))
        expect(decodeRoomPayload(payload, 'b')).toEqual({ from: 'a', messages, unknown: 0 })
        expect(decodeRoomPayload(payload, 'a')).toBe('own')
      }),
    )
  })

  test('announcements do too', () => {
    const messages = [{ kind: 'alive' }, { kind: 'bye' }] as const
    const payload = payloadOf('a', ...messages.map(encodeMessage))
    expect(decodeNodePayload(payload, 'b')).toEqual({ from: 'a', messages, unknown: 0 })
    expect(decodeNodePayload(payload, 'a')).toBe('own')
  })

  test('notices of the commits channel do too, each with its room', () => {
    const notices = fc.record({
      room: fc.nat().map((id) => asRoomId(id + 1)),
      notice: fc.record({
        kind: fc.constant('committed' as const),
        head: uint,
        updates: fc.array(fc.record({ seq: uint, number: uint })),
        messages: fc.constant([]),
      }),
    })
    fc.assert(
      fc.property(fc.array(notices, { minLength: 1, maxLength: 8 }), fc.nat(), (messages, cut) => {
        const payload = payloadOf('a', ...messages.map(({ room, notice }) => encodeRoomNotice(room, notice)))
        expect(decodeCommitsPayload(payload, 'b')).toEqual({ from: 'a', messages, unknown: 0 })
        expect(decodeCommitsPayload(payload, 'a')).toBe('own')
        expect(() => decodeCommitsPayload(payload.subarray(0, cut % payload.length), 'b')).not.toThrow()
      }),
    )
  })

  test('rolling upgrades: what a node hears is told in kinds of their own, which older ones pass over', () => {
    const alive = encodeMessage({ kind: 'alive' })
    expect(decodeNodePayload(payloadOf('a', alive, encodeHearsCommits()), 'b')).toEqual({
      from: 'a',
      messages: [{ kind: 'alive' }, { kind: 'hears_commits' }],
      unknown: 0,
    })
    expect(decodeRoomPayload(payloadOf('a', encodeHearsCommits()), 'b')).toEqual({
      from: 'a',
      messages: [],
      unknown: 1,
    })
  })

  test('I4: bytes that no node sends are never more than ignored', () => {
    const from = encodeSender('a')
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (noise, afterSender) => {
        const payload = afterSender ? Uint8Array.of(...from, ...noise) : noise
        expect(() => [
          decodeRoomPayload(payload, 'b'),
          decodeNodePayload(payload, 'b'),
          decodeCommitsPayload(payload, 'b'),
        ]).not.toThrow()
      }),
      { numRuns: 2_000 },
    )
  })

  test('I4: a payload that is cut short, or changed, never throws, and a cut one is never half a message', () => {
    fc.assert(
      fc.property(message, fc.nat(), fc.nat(), fc.integer({ min: 1, max: 255 }), (sent, cut, at, flip) => {
        const payload = payloadOf('a', encodeMessage(sent))
        expect(decodeRoomPayload(payload.subarray(0, cut % payload.length), 'b')).toBeNull()
        payload[at % payload.length]! ^= flip
        expect(() => decodeRoomPayload(payload, 'b')).not.toThrow()
      }),
      { numRuns: 1_000 },
    )
  })

  test('rolling upgrades: a kind that is not known is passed over, what is around it is heard', () => {
    const wanted = encodeMessage({ kind: 'presence_wanted' })
    const later = Uint8Array.of(0x93, 0x60, 0x81, 0xa1, 0x78, 0xc0, 0xc4, 1, 7)
    expect(decodeRoomPayload(payloadOf('a', wanted, later, wanted), 'b')).toEqual({
      from: 'a',
      messages: [{ kind: 'presence_wanted' }, { kind: 'presence_wanted' }],
      unknown: 1,
    })
    expect(decodeNodePayload(payloadOf('a', later), 'b')).toEqual({ from: 'a', messages: [], unknown: 1 })
  })

  test.each<[string, Uint8Array]>([
    ['nothing', new Uint8Array(0)],
    ['another version', Uint8Array.of(2, ...payloadOf('a', encodeMessage({ kind: 'alive' })).subarray(1))],
    ['JSON', new TextEncoder().encode('{"kind":"relay"}')],
    ['no sender', payloadOf('', encodeMessage({ kind: 'presence_wanted' }))],
    ['no message', payloadOf('a')],
    ['a message without a kind', payloadOf('a', Uint8Array.of(0x90))],
    ['a field too many', payloadOf('a', Uint8Array.of(0x92, 5, 0))],
    ['a field too few', payloadOf('a', Uint8Array.of(0x92, 1, 0))],
    ['a flag of 2', payloadOf('a', Uint8Array.of(0x93, 4, 2, 0x90))],
    ['a seq without its number', payloadOf('a', Uint8Array.of(0x94, 2, 1, 0x91, 1, 0x90))],
    ['a length that lies', payloadOf('a', Uint8Array.of(0x93, 1, 0, 0xdd, 255, 255, 255, 255))],
    ['a kind that lies about its length', payloadOf('a', Uint8Array.of(0xdd, 255, 255, 255, 255, 96))],
    [
      'bytes after the last message',
      payloadOf('a', encodeMessage({ kind: 'presence_wanted' }), Uint8Array.of(0)),
    ],
  ])('refused: %s', (_name, payload) => {
    expect(decodeRoomPayload(payload, 'b')).toBeNull()
  })

  test('a number that would become another one is not written', () => {
    expect(() => encodeMessage({ kind: 'relay', first: -1, updates: [] })).toThrow()
    expect(() => encodeMessage({ kind: 'relay', first: 0.5, updates: [] })).toThrow()
  })
})
