import { randomBytes } from 'node:crypto'
import { FrameType, PROTOCOL_VERSION, decodeServerFrame, encodeClientFrame } from '@weft/protocol'
import { ByteWriter } from '../wire/bytes.js'
import { Connection, framed } from '../wire/connection.js'
import { keystrokeLength, writeKeystroke } from '../wire/keystrokes.js'
import { awarenessUpdate, stateCount } from '../wire/presence-wire.js'
import { Opcode, frameHeaderLength, writeFrameHeader } from '../wire/websocket-frames.js'
import {
  ackNumber,
  isFrame,
  presencesStart,
  scanUpdatesFrame,
  updateFrameLength,
  weftPath,
  writeUpdateFrame,
} from '../wire/weft-wire.js'
import { type Deferred, type Member, type MemberOptions, deferred } from './member.js'

const messageBytes = 64

/** The HELLO of a new client. */
export const hello = (): Uint8Array =>
  encodeClientFrame({
    type: 'hello',
    version: PROTOCOL_VERSION,
    token: null,
    clientId: randomBytes(16),
    agent: 'weft-bench',
  })

/** A client that speaks the Weft protocol. */
export const joinAsWeft = async (options: MemberOptions): Promise<Member> => {
  const { typist, receiver, tally } = options
  const synced: Deferred = deferred()
  let room = 0
  /** Of {@link Member.send}: how many, and up to which they are acknowledged. */
  let sent = 0
  let ackedSent = 0
  /** Keystrokes are numbered by their clock; the typist may have typed before this connection. */
  const firstClock = typist?.clock ?? 0
  const visitor = {
    update: (bytes: Uint8Array, start: number, end: number): void =>
      receiver.update(bytes, start, end, connection.readAt),
  }
  const acked = (n: number): void => {
    if (typist === null) {
      tally.sentAcked += n - ackedSent
      ackedSent = n
      return
    }
    const until = firstClock + n
    for (; typist.acked < until; typist.acked++) {
      tally.acked++
      tally.ackLatency.add(connection.readAt - typist.sentTime(typist.acked))
    }
  }
  const other = (bytes: Buffer): void => {
    const frame = decodeServerFrame(bytes)
    // Presence, events and the like are not part of what is measured.
    // eslint-disable-next-line @typescript-eslint/switch-exhaustiveness-check
    switch (frame.type) {
      case 'welcome':
        connection.send(
          encodeClientFrame({
            type: 'join',
            request: 1,
            room: options.room,
            epoch: null,
            after: null,
            stateVector: null,
          }),
        )
        break
      case 'joined':
        room = frame.room
        break
      case 'sync':
        if (frame.part === 'done') synced.resolve()
        break
      case 'ping':
        connection.send(encodeClientFrame({ type: 'pong', id: frame.id }))
        break
      case 'nack':
        tally.nacked++
        tally.complain(`nack ${frame.code}: ${frame.message}`)
        break
      case 'error':
      case 'left':
        tally.complain(`${frame.type} ${frame.code}: ${frame.message}`)
        synced.reject(new Error(`${frame.type} ${frame.code}: ${frame.message}`))
        break
      default:
        break
    }
  }
  const connection = await Connection.open({
    port: options.port,
    path: weftPath,
    handlers: {
      message(bytes, start, end) {
        if (isFrame(bytes, start, FrameType.updates, 3)) {
          tally.frames++
          scanUpdatesFrame(bytes, start, end, visitor)
        } else if (isFrame(bytes, start, FrameType.ack, 4)) acked(ackNumber(bytes, start))
        else if (isFrame(bytes, start, FrameType.presences, 3)) {
          tally.presenceFrames++
          tally.presences += stateCount(bytes, presencesStart(bytes, start))
        } else if (!isFrame(bytes, start, FrameType.watermark, 3)) other(bytes.subarray(start, end))
      },
      closed(code, reason) {
        tally.lostConnections++
        tally.complain(`closed with ${code} ${reason}`)
        synced.reject(new Error(`closed with ${code} ${reason} before the first sync`))
      },
    },
  })
  if (typist) typist.acked = firstClock
  connection.send(hello())
  await synced.promise
  return {
    typist,
    type(count) {
      if (typist === null) throw new Error('this member does not type')
      const writer = new ByteWriter(Buffer.allocUnsafe(count * messageBytes))
      const now = performance.now()
      for (let i = 0; i < count; i++) {
        const clock = typist.press(now)
        const n = clock - firstClock + 1
        const length = keystrokeLength(typist.client, clock)
        const message = updateFrameLength(room, n, length)
        writeFrameHeader(writer, Opcode.binary, message)
        writeKeystroke(writeUpdateFrame(writer, room, n, length), typist.client, clock)
      }
      connection.write(writer.finish())
    },
    send(updates) {
      const frames = updates.map((update) =>
        framed(encodeClientFrame({ type: 'update', room, n: ++sent, update })),
      )
      connection.write(Buffer.concat(frames))
    },
    show(presence) {
      connection.send(encodeClientFrame({ type: 'presence', room, awareness: awarenessUpdate(presence) }))
    },
    close: () => connection.close(),
  }
}

/** Bytes of the largest message of {@link Member.type}; a test holds it against {@link messageBytes}. */
export const largestWeftMessage = (): number => {
  const most = 0xffff_ffff
  const length = updateFrameLength(most, most, keystrokeLength(most, most))
  return frameHeaderLength(length) + length
}
