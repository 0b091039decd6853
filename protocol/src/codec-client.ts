/*
 * Frames that a client sends, from bytes; `codec-sdk.ts` has the way there. Decoding throws ProtocolError and nothing else.
 * Binary fields of decoded frames are views into the given bytes: copy what is to outlive them.
 */
import { arityOf, close, open, readChangeNumber, readClientId, readHistoryLimit } from './codec-common.js'
import { ProtocolError } from './errors.js'
import { FrameType, type ClientFrame, type UnknownFrame } from './frames.js'
import { PROTOCOL_VERSION, WireLimits } from './limits.js'

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
        n: readChangeNumber(reader),
        update: reader.binary('the update'),
      }
      break
    case FrameType.presence:
      surplus = arityOf('PRESENCE', arity, 3)
      frame = {
        type: 'presence',
        room: reader.uint('the room number'),
        awareness: reader.binary('the awareness'),
      }
      break
    case FrameType.append:
      surplus = arityOf('APPEND', arity, 5)
      frame = {
        type: 'append',
        room: reader.uint('the room number'),
        n: readChangeNumber(reader),
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
      if (version !== PROTOCOL_VERSION) {
        throw new ProtocolError(
          'unsupported_version',
          `version ${version} of the protocol is not supported; ${PROTOCOL_VERSION} is`,
        )
      }
      surplus = arityOf('HELLO', arity, 5)
      frame = {
        type: 'hello',
        version,
        token: reader.stringOrNil('the token', WireLimits.tokenBytes),
        clientId: readClientId(reader),
        agent: reader.string('the agent', WireLimits.agentBytes),
      }
      break
    }
    case FrameType.join:
      surplus = arityOf('JOIN', arity, 6)
      frame = {
        type: 'join',
        request: reader.uint('the request number'),
        // Longer names are refused as names, with an ERROR for this JOIN, not as malformed frames.
        room: reader.string('the room name', WireLimits.roomStringBytes),
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
    case FrameType.history:
      surplus = arityOf('HISTORY', arity, 6)
      frame = {
        type: 'history',
        request: reader.uint('the request number'),
        room: reader.uint('the room number'),
        after: reader.uintOrNil('after'),
        before: reader.uintOrNil('before'),
        limit: readHistoryLimit(reader),
      }
      break
    case FrameType.seed:
      surplus = arityOf('SEED', arity, 4)
      frame = {
        type: 'seed',
        room: reader.uint('the room number'),
        n: readChangeNumber(reader),
        update: reader.binary('the update'),
      }
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
