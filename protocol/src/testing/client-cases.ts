/* The frames of `vectors/client-frames.json`. */
import type { ClientFrame, UnknownFrame } from '../frames.js'
import { encodeValue } from '../values.js'
import { filled, id, ints, update, values, type FrameCase } from './frame-cases.js'
import { fromHex } from './vector-json.js'

const unicode = 'Entwürfe/日本 🧶 %2F?#'

const other = (name: string, rules: readonly string[], frame: ClientFrame | UnknownFrame, hex: string) => ({
  name,
  rules,
  frame,
  bytes: fromHex(hex),
})

/** What clients send. */
export const clientCases: readonly FrameCase<ClientFrame>[] = [
  {
    name: 'HELLO with a token',
    rules: ['P6'],
    frame: {
      type: 'hello',
      version: 1,
      token: 'eyJhbGciOi.J9.c2ln',
      clientId: id,
      agent: 'weft-client/0.1.0',
    },
  },
  {
    name: 'HELLO without a token, of a client without a name',
    rules: ['P6'],
    frame: { type: 'hello', version: 1, token: null, clientId: new Uint8Array(16).fill(255), agent: '' },
  },
  {
    name: 'HELLO with the longest agent',
    rules: ['P45'],
    frame: { type: 'hello', version: 1, token: null, clientId: id, agent: 'é'.repeat(128) },
  },
  {
    name: 'JOIN for the first time',
    rules: ['P13', 'P16'],
    frame: { type: 'join', request: 1, room: 'design/42', epoch: null, after: null, stateVector: null },
  },
  {
    name: 'JOIN to resume',
    rules: ['P16'],
    frame: { type: 'join', request: 2, room: 'design/42', epoch: 3, after: 70_000, stateVector: null },
  },
  {
    name: 'JOIN to resume from the start, with a state vector to fall back on',
    rules: ['P16'],
    frame: {
      type: 'join',
      request: 3,
      room: unicode,
      epoch: 0,
      after: 0,
      stateVector: fromHex('01f5a0b5d90a05'),
    },
  },
  {
    name: 'JOIN with an empty state vector',
    rules: ['P16'],
    frame: { type: 'join', request: 4, room: 'a', epoch: null, after: null, stateVector: new Uint8Array() },
  },
  {
    name: 'JOIN of the longest room name',
    rules: ['P12'],
    frame: {
      type: 'join',
      request: 5,
      room: '日'.repeat(170) + 'xx',
      epoch: null,
      after: null,
      stateVector: null,
    },
  },
  {
    name: 'JOIN of an empty room name: a well-formed frame, refused as a name',
    rules: ['P12'],
    frame: { type: 'join', request: 6, room: '', epoch: null, after: null, stateVector: null },
  },
  ...ints('LEAVE of room', ['P2', 'P15'], (room): ClientFrame => ({ type: 'leave', room })),
  { name: 'UPDATE', rules: ['P21'], frame: { type: 'update', room: 7, n: 1, update } },
  {
    name: 'UPDATE without content',
    rules: ['P21'],
    frame: { type: 'update', room: 7, n: 2, update: new Uint8Array() },
  },
  ...[255, 256, 65_535, 65_536].map((length) => ({
    name: `UPDATE of ${length} bytes`,
    rules: ['P2', 'P21'],
    frame: { type: 'update' as const, room: 128, n: 256, update: filled(length) },
  })),
  {
    name: 'UPDATE with the greatest numbers',
    rules: ['P2', 'P21'],
    frame: { type: 'update', room: 2 ** 53 - 1, n: 2 ** 53 - 1, update },
  },
  {
    name: 'PRESENCE',
    rules: ['P30'],
    frame: { type: 'presence', room: 7, awareness: fromHex('010501027b7d') },
  },
  {
    name: 'PRESENCE, a leave',
    rules: ['P30'],
    frame: { type: 'presence', room: 7, awareness: fromHex('010502046e756c6c') },
  },
  ...values.map(([name, value]) => ({
    name: `APPEND of ${name}`,
    rules: ['P2', 'P27'],
    frame: { type: 'append' as const, room: 7, n: 3, name: 'comment', payload: encodeValue(value) },
  })),
  {
    name: 'APPEND with the longest name',
    rules: ['P45'],
    frame: { type: 'append', room: 7, n: 3, name: '日'.repeat(42) + 'xx', payload: encodeValue(1) },
  },
  {
    name: 'BROADCAST',
    rules: ['P35'],
    frame: { type: 'broadcast', room: 7, name: 'pointer', payload: encodeValue({ x: 1.5, y: -20 }) },
  },
  ...ints('HISTORY after', ['P2', 'P50'], (after): ClientFrame => {
    return { type: 'history', request: 9, room: 7, after, before: null, limit: 100 }
  }),
  {
    name: 'HISTORY before a seq',
    rules: ['P50', 'P51'],
    frame: { type: 'history', request: 0, room: 7, after: null, before: 70_000, limit: 1 },
  },
  {
    name: 'HISTORY between two seqs, as much as may be asked for',
    rules: ['P50', 'P51'],
    frame: { type: 'history', request: 10, room: 7, after: 5, before: 2 ** 53 - 1, limit: 1000 },
  },
  {
    name: 'HISTORY, the newest',
    rules: ['P51'],
    frame: { type: 'history', request: 11, room: 7, after: null, before: null, limit: 128 },
  },
  { name: 'SEED', rules: ['P54'], frame: { type: 'seed', room: 7, n: 1, update } },
  {
    name: 'SEED with the greatest numbers',
    rules: ['P2', 'P54'],
    frame: { type: 'seed', room: 2 ** 53 - 1, n: 2 ** 53 - 1, update: filled(256) },
  },
  { name: 'AUTH', rules: ['P9'], frame: { type: 'auth', token: 'eyJhbGciOi.J9.c2ln' } },
  { name: 'AUTH with the longest token', rules: ['P45'], frame: { type: 'auth', token: 't'.repeat(16_384) } },
  ...ints('PING', ['P2', 'P10'], (id): ClientFrame => ({ type: 'ping', id })),
  { name: 'PONG', rules: ['P10'], frame: { type: 'pong', id: 0 } },
  other('PING with an id in 8 bits', ['P2'], { type: 'ping', id: 5 }, '92 09 cc05'),
  other('PING with an id in 16 bits', ['P2'], { type: 'ping', id: 5 }, '92 09 cd0005'),
  other('PING with an id in 32 bits', ['P2'], { type: 'ping', id: 5 }, '92 09 ce00000005'),
  other('PING with an id in 64 bits', ['P2'], { type: 'ping', id: 5 }, '92 09 cf0000000000000005'),
  other('PING with an id in signed 8 bits', ['P2'], { type: 'ping', id: 5 }, '92 09 d005'),
  other('PING with an id in signed 16 bits', ['P2'], { type: 'ping', id: 5 }, '92 09 d10005'),
  other('PING with an id in signed 32 bits', ['P2'], { type: 'ping', id: 5 }, '92 09 d200000005'),
  other(
    'PING with an id in signed 64 bits',
    ['P2'],
    { type: 'ping', id: 2 ** 53 - 1 },
    '92 09 d3001fffffffffffff',
  ),
  other(
    'PING with the array in 16 bits and the type in 64',
    ['P2'],
    { type: 'ping', id: 5 },
    'dc0002 cf0000000000000009 05',
  ),
  other('PING with the array in 32 bits', ['P2'], { type: 'ping', id: 5 }, 'dd00000002 09 05'),
  other(
    'PING with surplus fields',
    ['P4'],
    { type: 'ping', id: 5 },
    '95 09 05 c0 81a161ca3fc00000 c403010203',
  ),
  other(
    'UPDATE with a surplus field and long headers',
    ['P2', 'P4'],
    { type: 'update', room: 7, n: 1, update: fromHex('0000') },
    'dc0005 04 07 01 c600000002 0000 93c2c3c0',
  ),
  other(
    'JOIN with the name in 32 bits',
    ['P2'],
    { type: 'join', request: 1, room: 'a', epoch: null, after: null, stateVector: null },
    '96 02 01 db0000000161 c0 c0 c0',
  ),
  other(
    'a frame of type 15, which nobody knows',
    ['P4'],
    { type: 'unknown', number: 15 },
    '93 0f a3616263 80',
  ),
  other(
    'a frame of type 2^53 - 1',
    ['P4'],
    { type: 'unknown', number: 2 ** 53 - 1 },
    '91 cf001fffffffffffff',
  ),
  other(
    'HISTORY with a surplus field',
    ['P4'],
    { type: 'history', request: 1, room: 7, after: 2, before: null, limit: 3 },
    '97 0b 01 07 cd0002 c0 03 a473656564',
  ),
  other('WELCOME, which clients do not send', ['P4'], { type: 'unknown', number: 16 }, '91 10'),
]
