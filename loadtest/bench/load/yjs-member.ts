import { ByteWriter } from '../wire/bytes.js'
import { Connection } from '../wire/connection.js'
import { keystrokeLength, writeKeystroke } from '../wire/keystrokes.js'
import { Opcode, frameHeaderLength, writeFrameHeader } from '../wire/websocket-frames.js'
import {
  YMessage,
  YSync,
  emptyUpdate,
  emptyVector,
  encodeSync,
  syncDataStart,
  syncLength,
  writeSync,
  yPath,
} from '../wire/y-wire.js'
import { type Deferred, type Member, type MemberOptions, deferred } from './member.js'

/** Room for the headers and the keystroke of one message. */
const messageBytes = 64

/**
 * A client that speaks as stock y-websocket clients do.
 * @param handshake whether the server syncs; a bare relay does not, and has nothing to say to a new member
 */
export const joinAsYjs = async (options: MemberOptions, handshake: boolean): Promise<Member> => {
  const { typist, receiver, tally } = options
  const synced: Deferred = deferred()
  const connection = await Connection.open({
    port: options.port,
    path: yPath(options.room),
    handlers: {
      message(bytes, start, end) {
        if (bytes[start] !== YMessage.sync) return
        const kind = bytes[start + 1]
        if (kind === YSync.update) {
          tally.frames++
          receiver.update(bytes, syncDataStart(bytes, start), end, connection.readAt)
        } else if (kind === YSync.step1) connection.send(encodeSync(YSync.step2, emptyUpdate))
        else if (kind === YSync.step2) synced.resolve()
      },
      closed(code, reason) {
        tally.lostConnections++
        tally.complain(`closed with ${code} ${reason}`)
        synced.reject(new Error(`closed with ${code} ${reason} before the first sync`))
      },
    },
  })
  if (handshake) {
    connection.send(encodeSync(YSync.step1, emptyVector))
    await synced.promise
  }
  return {
    typist,
    receiver,
    type(count) {
      if (typist === null) throw new Error('this member does not type')
      const writer = new ByteWriter(Buffer.allocUnsafe(count * messageBytes))
      const now = performance.now()
      for (let i = 0; i < count; i++) {
        const clock = typist.press(now)
        const length = keystrokeLength(typist.client, clock)
        const message = syncLength(length)
        writeFrameHeader(writer, Opcode.binary, message)
        writeKeystroke(writeSync(writer, YSync.update, length), typist.client, clock)
      }
      connection.write(writer.finish())
    },
    close: () => connection.close(),
  }
}

/** Bytes of the largest message of {@link Member.type}; a test holds it against {@link messageBytes}. */
export const largestYjsMessage = (): number => {
  const length = syncLength(keystrokeLength(0xffff_ffff, 0xffff_ffff))
  return frameHeaderLength(length) + length
}
