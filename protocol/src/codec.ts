/*
 * Frames to bytes and back. `decodeClientFrame` and `decodeServerFrame` throw ProtocolError and nothing else.
 * Binary fields of decoded frames are views into the given bytes.
 */
import { ProtocolError } from './errors.js'
import {
  FrameType,
  type ClientFrame,
  type JoinedFrame,
  type ServerFrame,
  type SyncMode,
  type SyncPart,
  type UnknownFrame,
} from './frames.js'
import { WireLimits, type SessionLimits } from './limits.js'
import { Reader, Writer } from './msgpack.js'

const syncModes: readonly SyncMode[] = ['full', 'resume', 'diff']
const syncParts: readonly SyncPart[] = ['more', 'update', 'done']

const open = (bytes: Uint8Array): { reader: Reader; arity: number; type: number } => {
  const reader = new Reader(bytes)
  const arity = reader.arrayHeader('the frame')
  if (arity === 0) throw new ProtocolError('invalid_frame', 'the frame is an empty array')
  return { reader, arity, type: reader.uint('the frame type') }
}

/** Fields past those of this version are skipped: room to grow (P4). */
const close = (reader: Reader, surplus: number): void => {
  for (let i = 0; i < surplus; i++) reader.skip('a field', WireLimits.payloadDepth)
  if (!reader.atEnd) throw new ProtocolError('invalid_frame', 'bytes follow the frame')
}

const arityOf = (name: string, arity: number, wanted: number): number => {
  if (arity < wanted) {
    throw new ProtocolError('invalid_frame', `${name} has ${arity} elements and needs ${wanted}`)
  }
  return arity - wanted
}

const clientId = (reader: Reader): Uint8Array => {
  const id = reader.binary('the client id')
  if (id.length !== WireLimits.clientIdBytes) {
    throw new ProtocolError('invalid_frame', `the client id has ${id.length} bytes and needs ${WireLimits.clientIdBytes}`)
  }
  return id
}

const changeNumber = (reader: Reader): number => {
  const n = reader.uint('n')
  if (n === 0) throw new ProtocolError('invalid_frame', 'n starts at 1')
  return n
}

const oneOf = <T extends string>(reader: Reader, what: string, names: readonly T[]): T => {
  const index = reader.uint(what)
  const name = names[index]
  if (name === undefined) throw new ProtocolError('invalid_frame', `${what} ${index} is not known`)
  return name
}

const textBytes = 4096

/**
 * Decodes a frame that a client sent.
 * @throws {ProtocolError} `invalid_frame`
 */
export const decodeClientFrame = (bytes: Uint8Array): ClientFrame | UnknownFrame => {
  const { reader, arity, type } = open(bytes)
  let frame: ClientFrame
  let surplus: number
  switch (type) {
    case FrameType.update:
      surplus = arityOf('UPDATE', arity, 4)
      frame = {
        type: 'update',
        room: reader.uint('the room number'),
        n: changeNumber(reader),
        update: reader.binary('the update'),
      }
      break
    case FrameType.presence:
      surplus = arityOf('PRESENCE', arity, 3)
      frame = { type: 'presence', room: reader.uint('the room number'), awareness: reader.binary('the awareness') }
      break
    case FrameType.append:
      surplus = arityOf('APPEND', arity, 5)
      frame = {
        type: 'append',
        room: reader.uint('the room number'),
        n: changeNumber(reader),
        name: reader.string('the name', WireLimits.eventNameBytes),
        payload: reader.value('the payload', WireLimits.payloadDepth),
      }
      break
    case FrameType.broadcast:
      surplus = arityOf('BROADCAST', arity, 4)
      frame = {
        type: 'broadcast',
        room: reader.uint('the room number'),
        name: reader.string('the name', WireLimits.eventNameBytes),
        payload: reader.value('the payload', WireLimits.payloadDepth),
      }
      break
    case FrameType.hello: {
      // An unknown version is told so, whatever the rest of its HELLO looks like (P6).
      arityOf('HELLO', arity, 2)
      const version = reader.uint('the version')
      if (version !== 1) {
        throw new ProtocolError('unsupported_version', `version ${version} of the protocol is not supported; 1 is`)
      }
      surplus = arityOf('HELLO', arity, 5)
      frame = {
        type: 'hello',
        version,
        token: reader.stringOrNil('the token', WireLimits.tokenBytes),
        clientId: clientId(reader),
        agent: reader.string('the agent', 256),
      }
      break
    }
    case FrameType.join:
      surplus = arityOf('JOIN', arity, 6)
      frame = {
        type: 'join',
        request: reader.uint('the request number'),
        // Longer names are refused as names, with an ERROR for this JOIN, not as malformed frames.
        room: reader.string('the room name', 64 * 1024),
        epoch: reader.uintOrNil('the epoch'),
        after: reader.uintOrNil('after'),
        stateVector: reader.binaryOrNil('the state vector'),
      }
      break
    case FrameType.leave:
      surplus = arityOf('LEAVE', arity, 2)
      frame = { type: 'leave', room: reader.uint('the room number') }
      break
    case FrameType.auth:
      surplus = arityOf('AUTH', arity, 2)
      frame = { type: 'auth', token: reader.string('the token', WireLimits.tokenBytes) }
      break
    case FrameType.ping:
    case FrameType.pong:
      surplus = arityOf('PING', arity, 2)
      frame = { type: type === FrameType.ping ? 'ping' : 'pong', id: reader.uint('the id') }
      break
    default:
      close(reader, arity - 1)
      return { type: 'unknown', number: type }
  }
  close(reader, surplus)
  return frame
}

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
      frame = { type: 'ack', room: reader.uint('the room number'), n: changeNumber(reader), seq: reader.uint('seq') }
      break
    case FrameType.nack:
      surplus = arityOf('NACK', arity, 5)
      frame = {
        type: 'nack',
        room: reader.uint('the room number'),
        n: changeNumber(reader),
        code: reader.string('the code', 64),
        message: reader.string('the message', textBytes),
      }
      break
    case FrameType.presences:
      surplus = arityOf('PRESENCES', arity, 3)
      frame = { type: 'presences', room: reader.uint('the room number'), awareness: reader.binary('the awareness') }
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
        seq: reader.uint('seq'),
        author: reader.stringOrNil('the author', textBytes),
        clientId: clientId(reader),
        n: changeNumber(reader),
        time: reader.uint('the time'),
        name: reader.string('the name', WireLimits.eventNameBytes),
        payload: reader.value('the payload', WireLimits.payloadDepth),
      }
      break
    case FrameType.broadcasted:
      surplus = arityOf('BROADCASTED', arity, 5)
      frame = {
        type: 'broadcasted',
        room: reader.uint('the room number'),
        author: reader.stringOrNil('the author', textBytes),
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
        session: reader.string('the session', 64),
        node: reader.string('the node', 64),
        user: reader.stringOrNil('the user', textBytes),
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
        code: reader.string('the code', 64),
        message: reader.string('the message', textBytes),
      }
      break
    case FrameType.error:
      surplus = arityOf('ERROR', arity, 5)
      frame = {
        type: 'error',
        request: reader.uintOrNil('the request number'),
        code: reader.string('the code', 64),
        message: reader.string('the message', textBytes),
        retryAfter: reader.uint('retryAfter'),
      }
      break
    case FrameType.authed:
      surplus = arityOf('AUTHED', arity, 3)
      frame = {
        type: 'authed',
        user: reader.stringOrNil('the user', textBytes),
        expires: reader.uintOrNil('expires'),
      }
      break
    case FrameType.drain:
      surplus = arityOf('DRAIN', arity, 2)
      frame = { type: 'drain', delay: reader.uint('the delay') }
      break
    case FrameType.ping:
    case FrameType.pong:
      surplus = arityOf('PING', arity, 2)
      frame = { type: type === FrameType.ping ? 'ping' : 'pong', id: reader.uint('the id') }
      break
    default:
      close(reader, arity - 1)
      return { type: 'unknown', number: type }
  }
  close(reader, surplus)
  return frame
}

const readJoined = (reader: Reader): JoinedFrame => ({
  type: 'joined',
  request: reader.uint('the request number'),
  room: reader.uint('the room number'),
  epoch: reader.uint('the epoch'),
  head: reader.uint('head'),
  access: oneOf(reader, 'the access', ['read', 'write'] as const),
  mode: oneOf(reader, 'the mode', syncModes),
  stateVector: reader.binary('the state vector'),
})

const limitNames = ['frameBytes', 'updateBytes', 'eventBytes', 'presenceBytes', 'roomsPerConnection'] as const

const readLimits = (reader: Reader): SessionLimits => {
  const count = reader.mapHeader('limits')
  const found = new Map<string, number>()
  for (let i = 0; i < count; i++) {
    const name = reader.string('the name of a limit', 64)
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

/** Encodes a frame for a server. The bytes are the caller's own. */
export const encodeClientFrame = (frame: ClientFrame): Uint8Array => {
  const writer = new Writer(frame.type === 'update' ? frame.update.length + 32 : 64)
  switch (frame.type) {
    case 'hello':
      writer.arrayHeader(5).uint(FrameType.hello).uint(frame.version).stringOrNil(frame.token)
      writer.binary(frame.clientId).string(frame.agent)
      break
    case 'join':
      writer.arrayHeader(6).uint(FrameType.join).uint(frame.request).string(frame.room)
      writer.uintOrNil(frame.epoch).uintOrNil(frame.after).binaryOrNil(frame.stateVector)
      break
    case 'leave':
      writer.arrayHeader(2).uint(FrameType.leave).uint(frame.room)
      break
    case 'update':
      writer.arrayHeader(4).uint(FrameType.update).uint(frame.room).uint(frame.n).binary(frame.update)
      break
    case 'presence':
      writer.arrayHeader(3).uint(FrameType.presence).uint(frame.room).binary(frame.awareness)
      break
    case 'append':
      writer.arrayHeader(5).uint(FrameType.append).uint(frame.room).uint(frame.n)
      writer.string(frame.name).raw(frame.payload)
      break
    case 'broadcast':
      writer.arrayHeader(4).uint(FrameType.broadcast).uint(frame.room).string(frame.name).raw(frame.payload)
      break
    case 'auth':
      writer.arrayHeader(2).uint(FrameType.auth).string(frame.token)
      break
    case 'ping':
    case 'pong':
      writer.arrayHeader(2).uint(FrameType[frame.type]).uint(frame.id)
      break
  }
  return writer.finish()
}

/** Encodes a frame for a client. The bytes are the caller's own. */
export const encodeServerFrame = (frame: ServerFrame): Uint8Array => {
  const writer = new Writer(frame.type === 'sync' ? frame.data.length + 32 : 64)
  switch (frame.type) {
    case 'welcome':
      writer.arrayHeader(7).uint(FrameType.welcome).uint(frame.version).string(frame.session).string(frame.node)
      writer.stringOrNil(frame.user).uint(frame.heartbeat).smallMapHeader(limitNames.length)
      for (const name of limitNames) writer.string(name).uint(frame.limits[name])
      break
    case 'joined':
      writer.arrayHeader(8).uint(FrameType.joined).uint(frame.request).uint(frame.room).uint(frame.epoch)
      writer.uint(frame.head).uint(frame.access === 'read' ? 0 : 1).uint(syncModes.indexOf(frame.mode))
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
      writer.string(frame.code).string(frame.message)
      break
    case 'presences':
      writer.arrayHeader(3).uint(FrameType.presences).uint(frame.room).binary(frame.awareness)
      break
    case 'event':
      writer.arrayHeader(9).uint(FrameType.event).uint(frame.room).uint(frame.seq).stringOrNil(frame.author)
      writer.binary(frame.clientId).uint(frame.n).uint(frame.time).string(frame.name).raw(frame.payload)
      break
    case 'broadcasted':
      writer.arrayHeader(5).uint(FrameType.broadcasted).uint(frame.room).stringOrNil(frame.author)
      writer.string(frame.name).raw(frame.payload)
      break
    case 'watermark':
      writer.arrayHeader(3).uint(FrameType.watermark).uint(frame.room).uint(frame.seq)
      break
    case 'left':
      writer.arrayHeader(4).uint(FrameType.left).uint(frame.room).string(frame.code).string(frame.message)
      break
    case 'error':
      writer.arrayHeader(5).uint(FrameType.error).uintOrNil(frame.request)
      writer.string(frame.code).string(frame.message).uint(frame.retryAfter)
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
