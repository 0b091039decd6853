import { connect, type Socket } from 'node:net'
import { ByteWriter } from './bytes.js'
import {
  FrameParser,
  Opcode,
  frameHeaderLength,
  writeFrameHeader,
  type FrameSink,
} from './websocket-frames.js'

/** What a connection tells its owner. */
export interface ConnectionHandlers {
  /** See {@link FrameSink.message}. */
  message(bytes: Buffer, start: number, end: number, length: number): void
  /** The connection ended: by a close frame (its code), or without one (0). Not called after `close()`. */
  closed?(code: number, reason: string): void
}

export interface ConnectionOptions {
  readonly port: number
  /** Path and query of the upgrade request. */
  readonly path: string
  readonly handlers: ConnectionHandlers
  /** How much of a message is kept at most, in bytes. */
  readonly keepBytes?: number
}

/*
 * Reads of all connections go into one buffer: libuv fills it and calls back before it reads the next socket.
 */
const readBuffer = Buffer.allocUnsafe(256 * 1024)

const openTimeoutMs = 20_000

/**
 * A WebSocket client that costs little: a load generator shares the machine with the server that it measures. It reads
 * into one shared buffer, hands on messages without copying them, and does not compress.
 */
export class Connection {
  /** When the bytes now being handled were read (`performance.now()`). */
  readAt = 0
  bytesRead = 0
  private readonly socket: Socket
  private closing = false

  private constructor(socket: Socket) {
    this.socket = socket
  }

  /** Connects to 127.0.0.1 and upgrades. Rejects when the server refuses. */
  static open({ port, path, handlers, keepBytes }: ConnectionOptions): Promise<Connection> {
    return new Promise((resolve, reject) => {
      let state: 'upgrading' | 'holding' | 'open' = 'upgrading'
      let response = ''
      const held: Buffer[] = []
      const sink: FrameSink = {
        message: (bytes, start, end, length) => handlers.message(bytes, start, end, length),
        control: (opcode, payload) => connection.control(opcode, payload, handlers),
      }
      const parser = new FrameParser(sink, keepBytes)
      const parse = (chunk: Buffer, count: number): void => {
        try {
          parser.push(chunk, count)
        } catch (error) {
          // What cannot be read ends this connection, and is reported; the others go on.
          connection.close()
          handlers.closed?.(0, error instanceof Error ? error.message : String(error))
        }
      }
      const upgrade = (count: number): void => {
        response += readBuffer.toString('latin1', 0, count)
        const end = response.indexOf('\r\n\r\n')
        if (end < 0) return
        if (!response.startsWith('HTTP/1.1 101')) {
          fail(new Error(`${path}: the server answered ${response.slice(0, response.indexOf('\r\n'))}`))
          return
        }
        clearTimeout(timer)
        // The owner attaches to the connection when the promise resolves: no frame may be handed on before. One read can
        // follow another before that.
        state = 'holding'
        held.push(Buffer.from(response.slice(end + 4), 'latin1'))
        resolve(connection)
        setImmediate(() => {
          state = 'open'
          for (const chunk of held) parse(chunk, chunk.length)
        })
      }
      const socket = connect({
        port,
        host: '127.0.0.1',
        noDelay: true,
        onread: {
          buffer: readBuffer,
          callback: (count) => {
            connection.readAt = performance.now()
            connection.bytesRead += count
            if (state === 'open') parse(readBuffer, count)
            else if (state === 'holding') held.push(Buffer.from(readBuffer.subarray(0, count)))
            else upgrade(count)
            return true
          },
        },
      })
      const connection = new Connection(socket)
      const fail = (error: Error): void => {
        clearTimeout(timer)
        socket.destroy()
        reject(error)
      }
      const timer = setTimeout(
        () => fail(new Error(`${path}: no answer within ${openTimeoutMs} ms`)),
        openTimeoutMs,
      )
      socket.on('error', (error) => (state === 'upgrading' ? fail(error) : undefined))
      socket.on('close', () => {
        if (state === 'upgrading') fail(new Error(`${path}: the server closed the connection`))
        else if (!connection.closing) {
          connection.closing = true
          handlers.closed?.(0, '')
        }
      })
      socket.write(
        `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
          'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
      )
    })
  }

  private control(opcode: number, payload: Buffer, handlers: ConnectionHandlers): void {
    if (opcode === Opcode.ping) this.write(frame(Opcode.pong, payload))
    else if (opcode === Opcode.close && !this.closing) {
      const code = payload.length >= 2 ? payload.readUInt16BE(0) : 0
      const reason = payload.toString('utf8', 2)
      this.close()
      handlers.closed?.(code, reason)
    }
  }

  /** Sends one binary message. */
  send(payload: Uint8Array): void {
    this.write(frame(Opcode.binary, payload))
  }

  /** Writes frames that are framed already. The bytes must not change afterwards. */
  write(frames: Uint8Array): void {
    if (!this.closing) this.socket.write(frames)
  }

  /** Cuts the connection, as a client that vanishes does. */
  close(): void {
    this.closing = true
    this.socket.destroy()
  }
}

/** @returns a binary message as {@link Connection.write} takes it */
export const framed = (payload: Uint8Array): Uint8Array => frame(Opcode.binary, payload)

const frame = (opcode: number, payload: Uint8Array): Uint8Array =>
  writeFrameHeader(
    new ByteWriter(Buffer.allocUnsafe(frameHeaderLength(payload.length) + payload.length)),
    opcode,
    payload.length,
  )
    .raw(payload)
    .finish()
