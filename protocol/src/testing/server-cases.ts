/* The frames of `vectors/server-frames.json`. */
import type { ServerFrame } from '../frames.js'
import { defaultSessionLimits } from '../default-limits.js'
import { encodeValue } from '../values.js'
import { filled, id, ints, update, values, type FrameCase } from './frame-cases.js'
import { fromHex } from './vector-json.js'

/** What servers send. */
export const serverCases: readonly FrameCase<ServerFrame>[] = [
  {
    name: 'WELCOME',
    rules: ['P8'],
    frame: {
      type: 'welcome',
      version: 1,
      session: 's-1',
      node: 'n-1',
      user: 'ada',
      heartbeat: 15_000,
      limits: defaultSessionLimits,
    },
  },
  {
    name: 'WELCOME of a user without a name, with the greatest limits',
    rules: ['P2', 'P8'],
    frame: {
      type: 'welcome',
      version: 1,
      session: '',
      node: '',
      user: null,
      heartbeat: 0,
      limits: {
        frameBytes: 2 ** 53 - 1,
        updateBytes: 0,
        eventBytes: 127,
        presenceBytes: 128,
        roomsPerConnection: 65_536,
      },
    },
  },
  {
    name: 'JOINED, full, to write',
    rules: ['P16', 'P19'],
    frame: {
      type: 'joined',
      request: 1,
      room: 7,
      epoch: 1,
      head: 0,
      access: 'write',
      mode: 'full',
      stateVector: fromHex('00'),
    },
  },
  {
    name: 'JOINED, resumed, to read',
    rules: ['P16'],
    frame: {
      type: 'joined',
      request: 2,
      room: 7,
      epoch: 2 ** 32,
      head: 70_000,
      access: 'read',
      mode: 'resume',
      stateVector: fromHex('01f5a0b5d90a05'),
    },
  },
  {
    name: 'JOINED with a diff to come',
    rules: ['P16', 'P19'],
    frame: {
      type: 'joined',
      request: 0,
      room: 0,
      epoch: 0,
      head: 1,
      access: 'write',
      mode: 'diff',
      stateVector: new Uint8Array(),
    },
  },
  {
    name: 'SYNC, more',
    rules: ['P17'],
    frame: { type: 'sync', room: 7, part: 'more', data: filled(65_536) },
  },
  { name: 'SYNC, update', rules: ['P17'], frame: { type: 'sync', room: 7, part: 'update', data: update } },
  {
    name: 'SYNC, done, with nothing',
    rules: ['P17'],
    frame: { type: 'sync', room: 7, part: 'done', data: new Uint8Array() },
  },
  { name: 'UPDATES, none', rules: ['P24'], frame: { type: 'updates', room: 7, updates: [] } },
  { name: 'UPDATES, one', rules: ['P24'], frame: { type: 'updates', room: 7, updates: [update] } },
  {
    name: 'UPDATES, 16',
    rules: ['P2', 'P24'],
    frame: { type: 'updates', room: 7, updates: Array<Uint8Array>(16).fill(fromHex('0000')) },
  },
  ...ints('ACK as seq', ['P2', 'P22'], (seq): ServerFrame => ({ type: 'ack', room: 7, n: 1, seq })),
  {
    name: 'NACK',
    rules: ['P23'],
    frame: { type: 'nack', room: 7, n: 9, code: 'overloaded', message: 'the journal is full' },
  },
  {
    name: 'NACK with a code of a newer server',
    rules: ['P23'],
    frame: { type: 'nack', room: 7, n: 9, code: 'moonphase', message: '' },
  },
  {
    name: 'PRESENCES of nobody',
    rules: ['P33'],
    frame: { type: 'presences', room: 7, awareness: fromHex('00') },
  },
  {
    name: 'PRESENCES',
    rules: ['P33'],
    frame: { type: 'presences', room: 7, awareness: fromHex('010501027b7d') },
  },
  ...values.map(([name, value]) => ({
    name: `EVENT of ${name}`,
    rules: ['P2', 'P28'],
    frame: {
      type: 'event' as const,
      room: 7,
      seq: 12,
      author: 'ada',
      clientId: id,
      n: 3,
      time: 1_750_000_000_000,
      name: 'comment',
      payload: encodeValue(value),
    },
  })),
  {
    name: 'EVENT of nobody in particular',
    rules: ['P28'],
    frame: {
      type: 'event',
      room: 7,
      seq: 1,
      author: null,
      clientId: id,
      n: 1,
      time: 0,
      name: '',
      payload: encodeValue(0),
    },
  },
  {
    name: 'BROADCASTED',
    rules: ['P35'],
    frame: { type: 'broadcasted', room: 7, author: 'ада', name: 'pointer', payload: encodeValue([1, 2]) },
  },
  {
    name: 'BROADCASTED by nobody in particular',
    rules: ['P35'],
    frame: { type: 'broadcasted', room: 7, author: null, name: 'wave', payload: encodeValue(null) },
  },
  ...ints('WATERMARK', ['P2', 'P29'], (seq): ServerFrame => ({ type: 'watermark', room: 7, seq })),
  { name: 'LEFT, as asked', rules: ['P15'], frame: { type: 'left', room: 7, code: 'left', message: '' } },
  {
    name: 'LEFT by the decision of the server',
    rules: ['P9', 'P15'],
    frame: { type: 'left', room: 7, code: 'forbidden', message: 'the new token does not grant this room' },
  },
  {
    name: 'ACCESS, to read from now on',
    rules: ['P80'],
    frame: { type: 'access', room: 7, access: 'read', message: 'the grant was changed' },
  },
  {
    name: 'ACCESS, to write again',
    rules: ['P80'],
    frame: { type: 'access', room: 7, access: 'write', message: '' },
  },
  {
    name: 'ERROR for a JOIN',
    rules: ['P13'],
    frame: {
      type: 'error',
      request: 4,
      code: 'load_failed',
      message: 'the room could not be loaded',
      retryAfter: 2_000,
    },
  },
  {
    name: 'ERROR of the connection',
    rules: ['P8'],
    frame: {
      type: 'error',
      request: null,
      code: 'token_expired',
      message: 'the token has expired',
      retryAfter: 0,
    },
  },
  { name: 'AUTHED', rules: ['P9'], frame: { type: 'authed', user: 'ada', expires: 1_750_000_000_000 } },
  { name: 'AUTHED for good', rules: ['P9'], frame: { type: 'authed', user: null, expires: null } },
  { name: 'DRAIN', rules: ['P11'], frame: { type: 'drain', delay: 1_500 } },
  {
    name: 'HISTORY_PAGE without a message',
    rules: ['P50'],
    frame: { type: 'historyPage', request: 9, room: 7, events: [], more: false },
  },
  {
    name: 'HISTORY_PAGE of two, with more to come',
    rules: ['P50', 'P52'],
    frame: {
      type: 'historyPage',
      request: 2 ** 32,
      room: 7,
      events: [
        {
          seq: 12,
          author: 'ada',
          clientId: id,
          n: 3,
          time: 1_750_000_000_000,
          name: 'comment',
          payload: encodeValue({ text: 'hi', at: [1, 2] }),
        },
        { seq: 300, author: null, clientId: id, n: 1, time: 0, name: '', payload: encodeValue(null) },
      ],
      more: true,
    },
  },
  {
    name: 'HISTORY_PAGE of every kind of payload',
    rules: ['P2', 'P50'],
    frame: {
      type: 'historyPage',
      request: 1,
      room: 7,
      events: values.map(([name, value], index) => ({
        seq: index + 1,
        author: 'ада',
        clientId: id,
        n: index + 1,
        time: 1_750_000_000_000 + index,
        name,
        payload: encodeValue(value),
      })),
      more: false,
    },
  },
  { name: 'USERS, none', rules: ['P58'], frame: { type: 'users', room: 7, users: [] } },
  {
    name: 'USERS',
    rules: ['P58'],
    frame: {
      type: 'users',
      room: 7,
      users: [
        { id: 5, user: 'ada' },
        { id: 2 ** 32 - 1, user: null },
        { id: 2 ** 53 - 1, user: '日本 🧶' },
      ],
    },
  },
  {
    name: 'HISTORY_PAGE with surplus fields, also in a message',
    rules: ['P4'],
    frame: {
      type: 'historyPage',
      request: 1,
      room: 7,
      events: [{ seq: 2, author: null, clientId: id, n: 1, time: 3, name: 'a', payload: encodeValue(true) }],
      more: true,
    },
    bytes: fromHex(
      '96 1e 01 07 91 99 02 c0 c410000102030405060708090a0b0c0d0e0f 01 03 a161 c3 c0 93010203 c3 a0',
    ),
  },
  { name: 'PING', rules: ['P10'], frame: { type: 'ping', id: 77 } },
  { name: 'PONG', rules: ['P10'], frame: { type: 'pong', id: 2 ** 32 } },
  {
    name: 'WELCOME with a limit that this version does not know, and a surplus field',
    rules: ['P4'],
    frame: {
      type: 'welcome',
      version: 1,
      session: 's',
      node: 'n',
      user: null,
      heartbeat: 1,
      limits: { frameBytes: 1, updateBytes: 2, eventBytes: 3, presenceBytes: 4, roomsPerConnection: 5 },
    },
    bytes: fromHex(
      '98 10 01 a173 a16e c0 01 86 ' +
        'ad726f6f6d735065724368616972 9101 ' +
        'b2726f6f6d73506572436f6e6e656374696f6e 05 ' +
        'ad70726573656e63654279746573 04 aa6576656e744279746573 03 ' +
        'ab7570646174654279746573 02 aa6672616d654279746573 01 c3',
    ),
  },
  {
    name: 'ACK with a surplus field',
    rules: ['P4'],
    frame: { type: 'ack', room: 7, n: 2, seq: 3 },
    bytes: fromHex('95 14 07 cd0002 03 a46c617465'),
  },
  {
    name: 'a frame of type 63',
    rules: ['P4'],
    frame: { type: 'unknown', number: 63 },
    bytes: fromHex('92 3f c403616263'),
  },
  {
    name: 'HELLO, which servers do not send',
    rules: ['P4'],
    frame: { type: 'unknown', number: 1 },
    bytes: fromHex('91 01'),
  },
]
