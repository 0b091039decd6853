/* Frames that a server sends, to bytes; `codec-sdk.ts` has the way back. */
import {
  FrameType,
  type Access,
  type DurableMessage,
  type ServerFrame,
  type SyncMode,
  type SyncPart,
} from './frames.js'
import { WireLimits, limitNames } from './limits.js'
import { Writer } from './msgpack-writer.js'

const accesses: readonly Access[] = ['read', 'write']
const syncModes: readonly SyncMode[] = ['full', 'resume', 'diff']
const syncParts: readonly SyncPart[] = ['more', 'update', 'done']

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
