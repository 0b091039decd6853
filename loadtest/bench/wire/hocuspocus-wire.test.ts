/*
 * The bytes are what `@hocuspocus/provider` 4.7.0 and `@hocuspocus/server` 4.7.0 sent each other, recorded once (they need
 * Node 22): a document `room`, the token `bench`, a Y.Doc of client id 7 into which an `a` is typed.
 */
import { describe, expect, test } from 'vitest'
import { yRoute } from '../load/yjs-route.js'
import { ByteWriter } from './bytes.js'
import { encodeToken, roomPrefix } from './hocuspocus-wire.js'
import { keystrokeLength, writeKeystroke } from './keystrokes.js'
import { awarenessUpdate, encodeAwareness, stateCount } from './presence-wire.js'
import { visitDecoded } from './update-decode.js'
import { UpdateScanner } from './update-scan.js'
import {
  YMessage,
  YSync,
  dataStart,
  emptyUpdate,
  emptyVector,
  encodeSync,
  syncDataStart,
  syncLength,
  writeSync,
} from './y-wire.js'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const prefix = roomPrefix('room')
const update = '04726f6f6d00020e0101070004010474657874016100'

describe('as the stock provider writes', () => {
  test('token, sync steps', () => {
    expect(hex(encodeToken(prefix, 'bench'))).toBe('04726f6f6d02000562656e636805342e372e30')
    expect(hex(encodeSync(YSync.step1, emptyVector, prefix))).toBe('04726f6f6d00000100')
    expect(hex(encodeSync(YSync.step2, emptyUpdate, prefix))).toBe('04726f6f6d0001020000')
  })

  test('a keystroke', () => {
    const length = keystrokeLength(7, 0)
    const writer = new ByteWriter(Buffer.alloc(prefix.length + syncLength(length))).raw(prefix)
    expect(hex(writeKeystroke(writeSync(writer, YSync.update, length), 7, 0).finish())).toBe(update)
  })

  test('presence: type, length, and one state of JSON', () => {
    const message = Buffer.concat([prefix, encodeAwareness({ client: 7, clock: 1 })])
    const start = dataStart(message, prefix.length + 1)
    expect(message[prefix.length]).toBe(YMessage.awareness)
    expect(hex(message.subarray(start))).toBe(hex(awarenessUpdate({ client: 7, clock: 1 })))
    expect(hex(message.subarray(start, start + 3))).toBe('010701')
    expect(JSON.parse(message.subarray(start + 4).toString())).toMatchObject({ cursor: { x: 1, y: 1 } })
    expect(message[start + 3]).toBe(message.length - start - 4)
  })
})

describe('what the server says', () => {
  const { path, first, authenticated } = yRoute('hocuspocus', 'room')

  test('a client begins with its token, and goes on when it is let in', () => {
    expect(path).toBe('/')
    expect(hex(first(emptyVector))).toBe(hex(encodeToken(prefix, 'bench')))
    const yes = Buffer.from('04726f6f6d02020a726561642d7772697465', 'hex')
    expect(yes[prefix.length]).toBe(YMessage.auth)
    expect(authenticated(yes, prefix.length)).toBeNull()
    const no = Buffer.concat([prefix, Buffer.from([2, 1, 1, 0x78])])
    expect(authenticated(no, prefix.length)).toBeInstanceOf(Error)
  })

  test('an update is found behind the name', () => {
    const bytes = Buffer.from(update, 'hex')
    const ranges: number[][] = []
    new UpdateScanner(visitDecoded).scan(bytes, syncDataStart(bytes, prefix.length), bytes.length, {
      range: (...range) => ranges.push(range),
    })
    expect(ranges).toEqual([[7, 0, 1]])
  })

  test('so is presence', () => {
    const bytes = Buffer.from('04726f6f6d010b010701077b2261223a317d', 'hex')
    expect(stateCount(bytes, dataStart(bytes, prefix.length + 1))).toBe(1)
  })
})

test('in y-websocket nothing stands before a message', () => {
  const { path, prefix: none, first } = yRoute('yjs', 'a room')
  expect([path, none.length, hex(first(emptyVector))]).toEqual(['/yjs/a%20room', 0, '00000100'])
})

test('an awareness update of many clients', () => {
  expect(stateCount(Uint8Array.of(9, 0xf4, 0x03), 1)).toBe(500)
})
