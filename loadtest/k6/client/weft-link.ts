import { FrameType, PROTOCOL_VERSION, decodeServerFrame, encodeClientFrame } from '@weft/protocol'
import { ByteWriter } from '../../bench/wire/bytes.js'
import {
  ackNumber,
  isFrame,
  scanUpdatesFrame,
  updateFrameLength,
  weftPath,
  writeUpdateFrame,
} from '../../bench/wire/weft-wire.js'
import type { Link, LinkHandlers, LinkOptions } from './link.js'
import { Socket } from './socket.js'

/** A connection that speaks the Weft protocol. */
export class WeftLink implements Link {
  private readonly options: LinkOptions
  private readonly handlers: LinkHandlers
  private readonly socket: Socket
  private room = 0
  private head = 0
  /** Pieces of an update of the initial state. */
  private pieces: Uint8Array[] = []
  private readonly visitor = {
    update: (bytes: Uint8Array, start: number, end: number): void =>
      this.handlers.update(bytes, start, end, true),
  }

  constructor(options: LinkOptions) {
    this.options = options
    this.handlers = options.handlers
    this.socket = new Socket(options.url + weftPath, {
      open: () => this.hello(),
      message: (bytes) => this.message(bytes),
      closed: (code, reason) => this.handlers.closed(code, reason),
    })
  }

  update(n: number, update: Uint8Array): void {
    const bytes = new Uint8Array(updateFrameLength(this.room, n, update.length))
    this.socket.send(
      writeUpdateFrame(new ByteWriter(bytes), this.room, n, update.length).raw(update).finish(),
    )
  }

  presence(awareness: Uint8Array): void {
    this.socket.send(encodeClientFrame({ type: 'presence', room: this.room, awareness }))
  }

  close(): void {
    this.socket.close()
  }

  private hello(): void {
    const { token, memory } = this.options
    const { clientId } = memory
    this.socket.send(
      encodeClientFrame({ type: 'hello', version: PROTOCOL_VERSION, token, clientId, agent: 'weft-k6' }),
    )
  }

  private join(): void {
    const { room, memory } = this.options
    const { epoch, after } = memory
    this.socket.send(encodeClientFrame({ type: 'join', request: 1, room, epoch, after, stateVector: null }))
  }

  private message(bytes: Uint8Array): void {
    if (isFrame(bytes, 0, FrameType.updates, 3)) scanUpdatesFrame(bytes, 0, bytes.length, this.visitor)
    else if (isFrame(bytes, 0, FrameType.ack, 4)) this.handlers.acked(ackNumber(bytes, 0))
    else if (this.options.readsPresence || !isPresence(bytes)) this.other(bytes)
  }

  private other(bytes: Uint8Array): void {
    const { memory } = this.options
    const frame = decodeServerFrame(bytes)
    // Messages and broadcasts are not sent by load tests.
    // eslint-disable-next-line @typescript-eslint/switch-exhaustiveness-check
    switch (frame.type) {
      case 'welcome':
        this.join()
        break
      case 'joined':
        this.room = frame.room
        this.head = frame.head
        memory.epoch = frame.epoch
        break
      case 'sync':
        this.sync(frame.data, frame.part)
        break
      case 'watermark':
        memory.after = frame.seq
        break
      case 'presences':
        this.handlers.presence(frame.awareness)
        break
      case 'ping':
        this.socket.send(encodeClientFrame({ type: 'pong', id: frame.id }))
        break
      case 'nack':
        this.handlers.refused(frame.code, frame.n)
        break
      case 'error':
      case 'left':
        this.handlers.refused(frame.code, null)
        break
      default:
        break
    }
  }

  private sync(data: Uint8Array, part: 'more' | 'update' | 'done'): void {
    if (part === 'more') {
      this.pieces.push(data.slice())
      return
    }
    const update = this.pieces.length === 0 ? data : concatenated([...this.pieces, data])
    this.pieces = []
    if (update.length > 0) this.handlers.update(update, 0, update.length, false)
    if (part !== 'done') return
    this.options.memory.after = this.head
    this.handlers.synced()
  }
}

const isPresence = (bytes: Uint8Array): boolean =>
  isFrame(bytes, 0, FrameType.presences, 3) || isFrame(bytes, 0, FrameType.users, 3)

const concatenated = (pieces: readonly Uint8Array[]): Uint8Array => {
  const whole = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0))
  let at = 0
  for (const piece of pieces) {
    whole.set(piece, at)
    at += piece.length
  }
  return whole
}
