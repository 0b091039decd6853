/*
 * Frames that a server sends, to bytes and back. Decoding throws ProtocolError and nothing else. Binary fields of decoded
 * frames are views into the given bytes: copy what is to outlive them.
 */
import { arityOf, close, oneOf, open, readChangeNumber, readClientId } from './codec-common.js'
import { ProtocolError } from './errors.js'
import {
  FrameType,
  type Access,
  type DurableMessage,
  type JoinedFrame,
  type PresenceUser,
  type ServerFrame,
  type SyncMode,
  type SyncPart,
  type UnknownFrame,
} from './frames.js'
import { WireLimits, type SessionLimits } from './limits.js'
import type { Reader } from './msgpack-reader.js'
import { Writer } from './msgpack-writer.js'

const accesses: readonly Access[] = ['read', 'write']
const syncModes: readonly SyncMode[] = ['full', 'resume', 'diff']
const syncParts: readonly SyncPart[] = ['more', 'update', 'done']

/**
 * Decodes a frame that a server sent.
 * @throws {ProtocolError} `invalid_frame`
 */
export const decodeServerFrame = (bytes: Uint8Array): ServerFrame | UnknownFrame => {
  const { reader, arity, type } = open(bytes)
  let frame: ServerFrame
  let surplus: number
  switch (type) {
    case FrameType.updates: {
      surplus = arityOf('UPDATES', arity, 3)
      const room = reader.uint('the room number')
      const count = reader.arrayHeader('updates')
      const updates: Uint8Array[] = []
      for (let i = 0; i < count; i++) updates.push(reader.binary('an update'))
      frame = { type: 'updates', room, updates }
      break
    }
    case FrameType.ack:
      surplus = arityOf('ACK', arity, 4)
      frame = {
        type: 'ack',
        room: reader.uint('the room number'),
        n: readChangeNumber(reader),
        seq: reader.uint('seq'),
      }
      break
    case FrameType.nack:
      surplus = arityOf('NACK', arity, 5)
      frame = {
        type: 'nack',
        room: reader.uint('the room number'),
        n: readChangeNumber(reader),
        code: reader.string('the code', WireLimits.labelBytes),
        message: reader.string('the message', WireLimits.messageBytes),
      }
      break
    case FrameType.presences:
      surplus = arityOf('PRESENCES', arity, 3)
      frame = {
        type: 'presences',
        room: reader.uint('the room number'),
        awareness: reader.binary('the awareness'),
      }
      break
    case FrameType.watermark:
      surplus = arityOf('WATERMARK', arity, 3)
      frame = { type: 'watermark', room: reader.uint('the room number'), seq: reader.uint('seq') }
      break
    case FrameType.event:
      surplus = arityOf('EVENT', arity, 9)
      frame = {
        type: 'event',
        room: reader.uint('the room number'),
        ...readMessage(reader),
      }
      break
    case FrameType.historyPage:
      surplus = arityOf('HISTORY_PAGE', arity, 5)
      frame = {
        type: 'historyPage',
        request: reader.uint('the request number'),
        room: reader.uint('the room number'),
        events: readRows(reader, 'the events', 7, readMessage),
        more: reader.boolean('more'),
      }
      break
    case FrameType.users:
      surplus = arityOf('USERS', arity, 3)
      frame = {
        type: 'users',
        room: reader.uint('the room number'),
        users: readRows(reader, 'the users', 2, readUser),
      }
      break
    case FrameType.broadcasted:
      surplus = arityOf('BROADCASTED', arity, 5)
      frame = {
        type: 'broadcasted',
        room: reader.uint('the room number'),
        author: reader.stringOrNil('the author', WireLimits.userBytes),
        name: reader.string('the name', WireLimits.eventNameBytes),
        payload: reader.value('the payload', WireLimits.payloadDepth),
      }
      break
    case FrameType.sync:
      surplus = arityOf('SYNC', arity, 4)
      frame = {
        type: 'sync',
        room: reader.uint('the room number'),
        part: oneOf(reader, 'the part', syncParts),
        data: reader.binary('the data'),
      }
      break
    case FrameType.welcome:
      surplus = arityOf('WELCOME', arity, 7)
      frame = {
        type: 'welcome',
        version: reader.uint('the version'),
        session: reader.string('the session', WireLimits.labelBytes),
        node: reader.string('the node', WireLimits.labelBytes),
        user: reader.stringOrNil('the user', WireLimits.userBytes),
        heartbeat: reader.uint('the heartbeat'),
        limits: readLimits(reader),
      }
      break
    case FrameType.joined:
      surplus = arityOf('JOINED', arity, 8)
      frame = readJoined(reader)
      break
    case FrameType.left:
      surplus = arityOf('LEFT', arity, 4)
      frame = {
        type: 'left',
        room: reader.uint('the room number'),
        code: reader.string('the code', WireLimits.labelBytes),
        message: reader.string('the message', WireLimits.messageBytes),
      }
      break
    case FrameType.access:
      surplus = arityOf('ACCESS', arity, 4)
      frame = {
        type: 'access',
        room: reader.uint('the room number'),
        access: oneOf(reader, 'the access', accesses),
        message: reader.string('the message', WireLimits.messageBytes),
      }
      break
    case FrameType.error:
      surplus = arityOf('ERROR', arity, 5)
      frame = {
        type: 'error',
        request: reader.uintOrNil('the request number'),
        code: reader.string('the code', WireLimits.labelBytes),
        message: reader.string('the message', WireLimits.messageBytes),
        retryAfter: reader.uint('retryAfter'),
      }
      break
    case FrameType.authed:
      surplus = arityOf('AUTHED', arity, 3)
      frame = {
        type: 'authed',
        user: reader.stringOrNil('the user', WireLimits.userBytes),
        expires: reader.uintOrNil('expires'),
      }
      break
    case FrameType.drain:
      surplus = arityOf('DRAIN', arity, 2)
      frame = { type: 'drain', delay: reader.uint('the delay') }
      break
    case FrameType.ping:
    case FrameType.pong:
      surplus = arityOf(type === FrameType.ping ? 'PING' : 'PONG', arity, 2)
      frame = { type: type === FrameType.ping ? 'ping' : 'pong', id: reader.uint('the id') }
      break
    default:
      close(reader, arity - 1)
      return { type: 'unknown', number: type }
  }
  close(reader, surplus)
  return frame
}

/** The last fields of EVENT, and one row of HISTORY_PAGE. */
const readMessage = (reader: Reader): DurableMessage => ({
  seq: reader.uint('seq'),
  author: reader.stringOrNil('the author', WireLimits.userBytes),
  clientId: readClientId(reader),
  n: readChangeNumber(reader),
  time: reader.uint('the time'),
  name: reader.string('the name', WireLimits.eventNameBytes),
  payload: reader.value('the payload', WireLimits.payloadDepth),
})

const readUser = (reader: Reader): PresenceUser => ({
  id: reader.uint('the presence id'),
  user: reader.stringOrNil('the user', WireLimits.userBytes),
})

/** An array of arrays, each of at least `width` elements: further ones are skipped, as in frames (P4). */
const readRows = <T>(reader: Reader, what: string, width: number, read: (reader: Reader) => T): T[] => {
  const count = reader.arrayHeader(what)
  const rows: T[] = []
  for (let i = 0; i < count; i++) {
    const surplus = reader.arrayHeader(`one of ${what}`) - width
    if (surplus < 0)
      throw new ProtocolError('invalid_frame', `one of ${what} has fewer than ${width} elements`)
    rows.push(read(reader))
    for (let j = 0; j < surplus; j++) reader.skip('a field', WireLimits.payloadDepth)
  }
  return rows
}

const readJoined = (reader: Reader): JoinedFrame => ({
  type: 'joined',
  request: reader.uint('the request number'),
  room: reader.uint('the room number'),
  epoch: reader.uint('the epoch'),
  head: reader.uint('head'),
  access: oneOf(reader, 'the access', accesses),
  mode: oneOf(reader, 'the mode', syncModes),
  stateVector: reader.binary('the state vector'),
})

const limitNames = ['frameBytes', 'updateBytes', 'eventBytes', 'presenceBytes', 'roomsPerConnection'] as const

const readLimits = (reader: Reader): SessionLimits => {
  const count = reader.mapHeader('limits')
  const found = new Map<string, number>()
  for (let i = 0; i < count; i++) {
    const name = reader.string('the name of a limit', WireLimits.labelBytes)
    if (limitNames.some((known) => known === name)) found.set(name, reader.uint(name))
    else reader.skip('a limit', WireLimits.payloadDepth)
  }
  const limit = (name: (typeof limitNames)[number]): number => {
    const value = found.get(name)
    if (value === undefined) throw new ProtocolError('invalid_frame', `limits lack ${name}`)
    return value
  }
  return {
    frameBytes: limit('frameBytes'),
    updateBytes: limit('updateBytes'),
    eventBytes: limit('eventBytes'),
    presenceBytes: limit('presenceBytes'),
    roomsPerConnection: limit('roomsPerConnection'),
  }
}

/** A message may quote what a client sent: what is too long for the other side's decoder is cut. */
const clip = (message: string): string => {
  // A UTF-16 unit takes three bytes at most; half a surrogate pair at the cut becomes U+FFFD.
  const units = Math.floor(WireLimits.messageBytes / 3)
  return message.length <= units ? message : message.slice(0, units)
}

/** Room for the whole frame: the writer need not grow. */
const capacity = (frame: ServerFrame): number => {
  if (frame.type === 'updates') return frame.updates.reduce((sum, update) => sum + update.length + 5, 32)
  if (frame.type === 'presences') return frame.awareness.length + 32
  if (frame.type === 'historyPage')
    return frame.events.reduce((sum, { payload }) => sum + payload.length + 128, 64)
  if (frame.type === 'sync') return frame.data.length + 32
  return 'payload' in frame ? frame.payload.length + 128 : 64
}

const writeMessage = (
  writer: Writer,
  { seq, author, clientId, n, time, name, payload }: DurableMessage,
): void => {
  writer.uint(seq).stringOrNil(author).binary(clientId).uint(n).uint(time).string(name).raw(payload)
}

/** Encodes a frame for a client. The bytes are the caller's own. */
export const encodeServerFrame = (frame: ServerFrame): Uint8Array => {
  const writer = new Writer(capacity(frame))
  switch (frame.type) {
    case 'welcome':
      writer
        .arrayHeader(7)
        .uint(FrameType.welcome)
        .uint(frame.version)
        .string(frame.session)
        .string(frame.node)
      writer.stringOrNil(frame.user).uint(frame.heartbeat).mapHeader(limitNames.length)
      for (const name of limitNames) writer.string(name).uint(frame.limits[name])
      break
    case 'joined':
      writer.arrayHeader(8).uint(FrameType.joined).uint(frame.request).uint(frame.room).uint(frame.epoch)
      writer.uint(frame.head).uint(accesses.indexOf(frame.access)).uint(syncModes.indexOf(frame.mode))
      writer.binary(frame.stateVector)
      break
    case 'sync':
      writer.arrayHeader(4).uint(FrameType.sync).uint(frame.room).uint(syncParts.indexOf(frame.part))
      writer.binary(frame.data)
      break
    case 'updates':
      writer.arrayHeader(3).uint(FrameType.updates).uint(frame.room).arrayHeader(frame.updates.length)
      for (const update of frame.updates) writer.binary(update)
      break
    case 'ack':
      writer.arrayHeader(4).uint(FrameType.ack).uint(frame.room).uint(frame.n).uint(frame.seq)
      break
    case 'nack':
      writer.arrayHeader(5).uint(FrameType.nack).uint(frame.room).uint(frame.n)
      writer.string(frame.code).string(clip(frame.message))
      break
    case 'presences':
      writer.arrayHeader(3).uint(FrameType.presences).uint(frame.room).binary(frame.awareness)
      break
    case 'event':
      writeMessage(writer.arrayHeader(9).uint(FrameType.event).uint(frame.room), frame)
      break
    case 'historyPage':
      writer.arrayHeader(5).uint(FrameType.historyPage).uint(frame.request).uint(frame.room)
      writer.arrayHeader(frame.events.length)
      for (const event of frame.events) writeMessage(writer.arrayHeader(7), event)
      writer.boolean(frame.more)
      break
    case 'users':
      writer.arrayHeader(3).uint(FrameType.users).uint(frame.room).arrayHeader(frame.users.length)
      for (const { id, user } of frame.users) writer.arrayHeader(2).uint(id).stringOrNil(user)
      break
    case 'broadcasted':
      writer.arrayHeader(5).uint(FrameType.broadcasted).uint(frame.room).stringOrNil(frame.author)
      writer.string(frame.name).raw(frame.payload)
      break
    case 'watermark':
      writer.arrayHeader(3).uint(FrameType.watermark).uint(frame.room).uint(frame.seq)
      break
    case 'left':
      writer
        .arrayHeader(4)
        .uint(FrameType.left)
        .uint(frame.room)
        .string(frame.code)
        .string(clip(frame.message))
      break
    case 'access':
      writer
        .arrayHeader(4)
        .uint(FrameType.access)
        .uint(frame.room)
        .uint(accesses.indexOf(frame.access))
        .string(clip(frame.message))
      break
    case 'error':
      writer.arrayHeader(5).uint(FrameType.error).uintOrNil(frame.request)
      writer.string(frame.code).string(clip(frame.message)).uint(frame.retryAfter)
      break
    case 'authed':
      writer.arrayHeader(3).uint(FrameType.authed).stringOrNil(frame.user).uintOrNil(frame.expires)
      break
    case 'drain':
      writer.arrayHeader(2).uint(FrameType.drain).uint(frame.delay)
      break
    case 'ping':
    case 'pong':
      writer.arrayHeader(2).uint(FrameType[frame.type]).uint(frame.id)
      break
  }
  return writer.finish()
}

/**
 * A SYNC frame up to its data, which follows as it is: large state need not be copied into a frame.
 * @param length of the data, in bytes
 */
export const syncHeader = (room: number, part: SyncPart, length: number): Uint8Array => {
  const writer = new Writer()
  writer.arrayHeader(4).uint(FrameType.sync).uint(room).uint(syncParts.indexOf(part)).binaryHeader(length)
  return writer.finish()
}
