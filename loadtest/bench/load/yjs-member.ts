import {
  YMessage,
  YSync,
  emptyUpdate,
  emptyVector,
  encodeSync,
  dataStart,
  syncDataStart,
  syncLength,
  writeSync,
} from '../wire/y-wire.js'
import { ByteWriter } from '../wire/bytes.js'
import { Connection, framed } from '../wire/connection.js'
import { keystrokeLength, writeKeystroke } from '../wire/keystrokes.js'
import { encodeAwareness, stateCount } from '../wire/presence-wire.js'
import { Opcode, frameHeaderLength, writeFrameHeader } from '../wire/websocket-frames.js'
import { type Deferred, type Member, type MemberOptions, deferred } from './member.js'
import { type YjsDialect, yRoute } from './yjs-route.js'

/** Room for the headers and the keystroke of one message, without what the dialect puts before it. */
const messageBytes = 64

/**
 * A client that speaks as stock clients of y-websocket do, or of Hocuspocus.
 * @param syncs whether the server answers; a bare relay does not, and has nothing to say to a new member
 */
export const joinAsYjs = async (
  options: MemberOptions,
  dialect: YjsDialect,
  syncs: boolean,
): Promise<Member> => {
  const { typist, receiver, tally } = options
  const synced: Deferred = deferred()
  const route = yRoute(dialect, options.room)
  const { prefix } = route
  const connection = await Connection.open({
    port: options.port,
    path: route.path,
    handlers: {
      message(bytes, start, end) {
        const at = start + prefix.length
        if (bytes[at] === YMessage.awareness) {
          tally.presenceFrames++
          tally.presences += stateCount(bytes, dataStart(bytes, at + 1))
          return
        }
        if (bytes[at] === YMessage.auth) {
          const refused = route.authenticated(bytes, at)
          if (refused === null) connection.send(encodeSync(YSync.step1, emptyVector, prefix))
          else synced.reject(refused)
          return
        }
        if (bytes[at] !== YMessage.sync) return
        const kind = bytes[at + 1]
        if (kind === YSync.update) {
          tally.frames++
          receiver.update(bytes, syncDataStart(bytes, at), end, connection.readAt)
        } else if (kind === YSync.step1) connection.send(encodeSync(YSync.step2, emptyUpdate, prefix))
        else if (kind === YSync.step2) synced.resolve()
      },
      closed(code, reason) {
        tally.lostConnections++
        tally.complain(`closed with ${code} ${reason}`)
        synced.reject(new Error(`closed with ${code} ${reason} before the first sync`))
      },
    },
  })
  if (syncs) {
    connection.send(route.first(emptyVector))
    await synced.promise
  }
  return {
    typist,
    type(count) {
      if (typist === null) throw new Error('this member does not type')
      const writer = new ByteWriter(Buffer.allocUnsafe(count * (messageBytes + prefix.length)))
      const now = performance.now()
      for (let i = 0; i < count; i++) {
        const clock = typist.press(now)
        const length = keystrokeLength(typist.client, clock)
        writeFrameHeader(writer, Opcode.binary, prefix.length + syncLength(length)).raw(prefix)
        writeKeystroke(writeSync(writer, YSync.update, length), typist.client, clock)
      }
      connection.write(writer.finish())
    },
    send(updates) {
      connection.write(
        Buffer.concat(updates.map((update) => framed(encodeSync(YSync.update, update, prefix)))),
      )
    },
    show(presence) {
      connection.send(Buffer.concat([prefix, encodeAwareness(presence)]))
    },
    close: () => connection.close(),
  }
}

/** Bytes of the largest message of {@link Member.type}; a test holds it against {@link messageBytes}. */
export const largestYjsMessage = (): number => {
  const length = syncLength(keystrokeLength(0xffff_ffff, 0xffff_ffff))
  return frameHeaderLength(length) + length
}
