/* The bytes of `vectors/invalid-frames.json` and the awareness updates of `vectors/awareness.json`. */
import { writeAwareness, type AwarenessEntry } from '../awareness.js'
import type { ErrorCode } from '../error-codes.js'
import { fromHex, toHex } from './vector-json.js'

/** Bytes that a side must refuse. */
export interface InvalidCase {
  readonly name: string
  readonly rules: readonly string[]
  /** Who would have sent them; `both` where either decoder refuses them. */
  readonly sender: 'client' | 'server' | 'both'
  readonly code: ErrorCode
  readonly bytes: Uint8Array
}

const text = (value: string): string => toHex(new TextEncoder().encode(value))
const id = 'c410000102030405060708090a0b0c0d0e0f'

const bad =
  (sender: InvalidCase['sender'], rules: readonly string[], code: ErrorCode = 'invalid_frame') =>
  (name: string, hex: string): InvalidCase => ({ name, rules, sender, code, bytes: fromHex(hex) })

const shape = bad('both', ['P3'])
const plain = bad('both', ['P2'])
const fromClient = bad('client', ['P3'])
const fromServer = bad('server', ['P3'])

/** What the decoders refuse. */
export const invalidCases: readonly InvalidCase[] = [
  shape('nothing', ''),
  shape('nil', 'c0'),
  shape('an integer', '05'),
  shape('a map', '810102'),
  shape('a string', 'a3616263'),
  shape('an empty array', '90'),
  shape('an array without its elements', '92'),
  shape('an array of 2^32 - 1 elements that are not there', 'dd ffffffff 09'),
  shape('an unknown type with 2^32 - 1 elements that are not there', 'dd ffffffff 3e c0'),
  shape('half an array header', 'dc00'),
  shape('a string as the type', '92 a139 05'),
  shape('a negative type', '92 ff 05'),
  shape('a float as the type', '92 cb4022000000000000 05'),
  shape('PING without an id', '91 09'),
  shape('PING with a nil id', '92 09 c0'),
  shape('PING with a negative id', '92 09 ff'),
  shape('PING with a negative id in 64 bits', '92 09 d3ffffffffffffffff'),
  shape('PING with a float id', '92 09 cb4014000000000000'),
  shape('PING with the id 2^53', '92 09 cf0020000000000000'),
  shape('PING with the id 2^64 - 1', '92 09 cfffffffffffffffff'),
  shape('PING with half an id', '92 09 ce0000'),
  shape('a byte after the frame', '92 09 05 00'),
  shape('a second frame after the frame', '92 09 05 92 09 06'),
  shape('a surplus field that ends too early', '93 09 05 c405 0102'),
  plain('an extension type in a surplus field', '93 09 05 d40100'),
  plain('a timestamp in an unknown frame', '92 3e d6ff00000000'),
  plain('the byte c1, which MessagePack never uses', '93 09 05 c1'),
  plain('an unknown frame nested 33 deep', `92 3e ${'91'.repeat(32)}90`),
  plain('an unknown frame nested 10,000 deep', `92 3e ${'91'.repeat(10_000)}90`),
  plain('a map of 2^32 - 1 pairs that are not there', '93 09 05 df ffffffff c0'),
  plain('a map whose keys are integers', '93 09 05 81 01 02'),
  plain('a map whose key is a map', '93 09 05 81 80 02'),
  plain('a surplus string that is not UTF-8', '93 09 05 a1ff'),
  plain('a surplus integer of 2^64 - 1', '93 09 05 cfffffffffffffffff'),
  plain('a surplus integer of -2^63', '93 09 05 d38000000000000000'),

  bad('client', ['P6'], 'unsupported_version')('HELLO of version 0', `95 01 00 c0 ${id} a0`),
  bad('client', ['P6'], 'unsupported_version')('HELLO of version 2, whatever the rest holds', '93 01 02 c1'),
  fromClient('HELLO without fields', '91 01'),
  fromClient('HELLO whose version is a string', `95 01 a131 c0 ${id} a0`),
  fromClient('HELLO with three fields', '93 01 01 c0'),
  fromClient('HELLO with a client id of 15 bytes', `95 01 01 c0 c40f${'00'.repeat(15)} a0`),
  fromClient('HELLO with a client id of 17 bytes', `95 01 01 c0 c411${'00'.repeat(17)} a0`),
  fromClient('HELLO with a client id that is a string', `95 01 01 c0 b0${'61'.repeat(16)} a0`),
  fromClient('HELLO with a token that is a number', `95 01 01 05 ${id} a0`),
  bad('client', ['P45'])('HELLO with an agent of 257 bytes', `95 01 01 c0 ${id} da0101${'61'.repeat(257)}`),
  bad('client', ['P45'])(
    'HELLO with a token of 16,385 bytes',
    `95 01 01 da4001${'61'.repeat(16_385)} ${id} a0`,
  ),
  fromClient('JOIN with four fields', '95 02 01 a161 c0 c0'),
  fromClient('JOIN whose room is binary', '96 02 01 c40161 c0 c0 c0'),
  fromClient('JOIN whose room is not UTF-8', '96 02 01 a3eda080 c0 c0 c0'),
  fromClient('JOIN whose room is overlong UTF-8', '96 02 01 a2c0af c0 c0 c0'),
  fromClient('JOIN with a room of 4 GB that is not there', '96 02 01 dbffffffff c0 c0 c0'),
  fromClient('JOIN with a negative epoch', '96 02 01 a161 ff c0 c0'),
  fromClient('JOIN whose state vector is a string', '96 02 01 a161 c0 c0 a100'),
  fromClient('LEAVE without a room', '91 03'),
  fromClient('UPDATE without content', '93 04 07 01'),
  fromClient('UPDATE whose content is nil', '94 04 07 01 c0'),
  fromClient('UPDATE whose content is a string', '94 04 07 01 a20000'),
  fromClient('UPDATE of 4 GB that are not there', '94 04 07 01 c6ffffffff0000'),
  bad('client', ['P45'])('UPDATE with n 0', '94 04 07 00 c4020000'),
  fromClient('PRESENCE that is an array', '93 05 07 93010203'),
  fromClient('APPEND without a payload', `94 06 07 01 a161`),
  fromClient('APPEND with a payload that ends too early', '95 06 07 01 a161 92c0'),
  bad('client', ['P2'])('APPEND with an extension type', '95 06 07 01 a161 c70000'),
  bad('client', ['P2'])('APPEND nested 33 deep', `95 06 07 01 a161 ${'91'.repeat(32)}90`),
  bad('client', ['P45'])('APPEND with a name of 129 bytes', `95 06 07 01 d981${'61'.repeat(129)} c0`),
  fromClient('BROADCAST whose name is nil', '94 07 07 c0 c0'),
  fromClient('AUTH with nil', '92 08 c0'),
  fromClient('HISTORY without a limit', '95 0b 01 07 c0 c0'),
  fromClient('HISTORY with a nil limit', '96 0b 01 07 c0 c0 c0'),
  fromClient('HISTORY whose after is negative', '96 0b 01 07 ff c0 01'),
  bad('client', ['P50'])('HISTORY with the limit 0', '96 0b 01 07 c0 c0 00'),
  bad('client', ['P50'])('HISTORY with the limit 1,001', '96 0b 01 07 c0 c0 cd03e9'),
  fromClient('SEED without content', '93 0c 07 01'),
  fromClient('SEED whose content is a string', '94 0c 07 01 a20000'),
  bad('client', ['P45'])('SEED with n 0', '94 0c 07 00 c4020000'),

  fromServer('WELCOME without limits', '96 10 01 a0 a0 c0 01'),
  fromServer('WELCOME whose limits are an array', '97 10 01 a0 a0 c0 01 90'),
  fromServer('WELCOME whose limits lack one', `97 10 01 a0 a0 c0 01 81 aa${text('frameBytes')} 01`),
  fromServer('WELCOME with 2^32 - 1 limits that are not there', '97 10 01 a0 a0 c0 01 dfffffffff'),
  fromServer('ACCESS with access 2', '94 20 07 02 a0'),
  fromServer('JOINED with access 2', '98 11 01 07 01 00 02 00 c400'),
  fromServer('JOINED with mode 3', '98 11 01 07 01 00 00 03 c400'),
  fromServer('SYNC with part 3', '94 12 07 03 c400'),
  fromServer('UPDATES whose updates are one binary', '93 13 07 c4020000'),
  fromServer('UPDATES with 2^32 - 1 updates that are not there', '93 13 07 ddffffffff c400'),
  fromServer('UPDATES that hold nil', '93 13 07 91c0'),
  fromServer('ACK without a seq', '93 14 07 01'),
  bad('server', ['P45'])('ACK of n 0', '94 14 07 00 01'),
  bad('server', ['P45'])('NACK with a code of 65 bytes', `95 15 07 01 d941${'61'.repeat(65)} a0`),
  bad('server', ['P45'])('ERROR with a message of 4,097 bytes', `95 1b c0 a0 da1001${'61'.repeat(4097)} 00`),
  fromServer('EVENT without a payload', `98 17 07 01 c0 ${id} 01 00 a0`),
  fromServer('DRAIN with nil', '92 1d c0'),
  fromServer('HISTORY_PAGE without more', '94 1e 01 07 90'),
  fromServer('HISTORY_PAGE whose more is an integer', '95 1e 01 07 90 01'),
  fromServer('HISTORY_PAGE with a message of six elements', `95 1e 01 07 91 96 02 c0 ${id} 01 03 a161 c2`),
  fromServer('HISTORY_PAGE with 2^32 - 1 messages that are not there', '95 1e 01 07 ddffffffff 90'),
  fromServer('HISTORY_PAGE whose messages are a map', '95 1e 01 07 80 c2'),
  fromServer('USERS with an id and no user', '93 1f 07 91 91 05'),
  fromServer('USERS whose user is an integer', '93 1f 07 91 92 05 06'),
  fromServer('USERS with 2^32 - 1 users that are not there', '93 1f 07 ddffffffff 92'),
]

/** Awareness updates that decode. */
export const awarenessCases: readonly {
  readonly name: string
  readonly entries: readonly AwarenessEntry[]
}[] = [
  { name: 'nobody', entries: [] },
  { name: 'one state', entries: [{ clientId: 5, clock: 1, state: '{}' }] },
  { name: 'a leave', entries: [{ clientId: 5, clock: 2, state: null }] },
  {
    name: 'a cursor and a name',
    entries: [
      {
        clientId: 2 ** 32 - 1,
        clock: 128,
        state: '{"user":{"name":"Ada 🧶","color":"#a05"},"cursor":{"anchor":3,"head":7}}',
      },
    ],
  },
  {
    name: 'three at once, one of them gone',
    entries: [
      { clientId: 0, clock: 0, state: '{"a":1}' },
      { clientId: 127, clock: 300, state: null },
      { clientId: 128, clock: 2 ** 32, state: '{"b":[null]}' },
    ],
  },
  { name: 'the greatest id and clock', entries: [{ clientId: 2 ** 53 - 1, clock: 2 ** 52, state: '1' }] },
]

/** An awareness update that is refused under {@link invalidAwarenessBounds}. */
export interface InvalidAwarenessCase {
  readonly name: string
  readonly code: ErrorCode
  readonly bytes: Uint8Array
}

const state = (json: string): Uint8Array => writeAwareness([{ clientId: 1, clock: 1, state: json }])
const undecodable = (name: string, hex: string): InvalidAwarenessCase => ({
  name,
  code: 'invalid_presence',
  bytes: fromHex(hex),
})

/** The bounds that the refused cases are refused under. */
export const invalidAwarenessBounds = { maxEntries: 2, maxStateBytes: 96 } as const

/** Awareness updates that are refused. */
export const invalidAwarenessCases: readonly InvalidAwarenessCase[] = [
  undecodable('nothing', ''),
  undecodable('an entry that is not there', '01'),
  undecodable('a state that ends too early', '01 05 01 05 7b7d'),
  undecodable('a state of 2^35 bytes that are not there', '01 05 01 8080808080 01'),
  undecodable('a count without an end', 'ffffffffffffffffffff'),
  undecodable('a clock beyond 2^53', '01 05 ffffffffffffff7f 02 7b7d'),
  undecodable('a state that is not UTF-8', '01 05 01 02 22ff'),
  undecodable('bytes after the last entry', '00 00'),
  { name: 'a state that is not JSON', code: 'invalid_presence', bytes: state('{') },
  { name: 'an empty state', code: 'invalid_presence', bytes: state('') },
  { name: 'a state nested 33 deep', code: 'invalid_presence', bytes: state('['.repeat(33) + ']'.repeat(33)) },
  {
    name: 'a clock that leaves none for the server',
    code: 'invalid_presence',
    bytes: writeAwareness([{ clientId: 1, clock: 2 ** 53 - 1, state: '{}' }]),
  },
  { name: 'a state that is too long', code: 'too_large', bytes: state(JSON.stringify('x'.repeat(95))) },
  {
    name: 'a state that is too long in bytes, not in characters',
    code: 'too_large',
    bytes: state(JSON.stringify('日'.repeat(40))),
  },
  {
    name: 'three entries',
    code: 'too_large',
    bytes: writeAwareness([1, 2, 3].map((clientId) => ({ clientId, clock: 1, state: '{}' }))),
  },
]
