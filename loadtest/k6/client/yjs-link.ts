import { ByteWriter, varUintLength } from '../../bench/wire/bytes.js'
import {
  YMessage,
  YSync,
  awarenessDataStart,
  encodeSync,
  syncDataStart,
  yPath,
} from '../../bench/wire/y-wire.js'
import { readVector, writeVector } from '../pure/vector.js'
import type { Link, LinkHandlers, LinkOptions } from './link.js'
import { Socket } from './socket.js'

/** A connection that speaks as stock y-websocket clients do. */
export class YjsLink implements Link {
  private readonly handlers: LinkHandlers
  private readonly socket: Socket
  private readonly readsPresence: boolean
  private asked: ReadonlyMap<number, number> | null = null
  private hasState = false

  constructor({ url, room, token, clocks, readsPresence, handlers }: LinkOptions) {
    this.handlers = handlers
    this.readsPresence = readsPresence
    const query = token === null ? '' : `?token=${encodeURIComponent(token)}`
    this.socket = new Socket(url + yPath(room) + query, {
      open: () => this.socket.send(encodeSync(YSync.step1, writeVector(clocks()))),
      message: (bytes) => this.message(bytes),
      closed: (code, reason) => handlers.closed(code, reason),
    })
  }

  update(_n: number, update: Uint8Array): void {
    this.socket.send(encodeSync(YSync.update, update))
  }

  presence(awareness: Uint8Array): void {
    const bytes = new Uint8Array(1 + varUintLength(awareness.length) + awareness.length)
    this.socket.send(
      new ByteWriter(bytes).byte(YMessage.awareness).varUint(awareness.length).raw(awareness).finish(),
    )
  }

  close(): void {
    this.socket.close()
  }

  private message(bytes: Uint8Array): void {
    if (bytes[0] === YMessage.sync) this.sync(bytes)
    else if (bytes[0] === YMessage.awareness) {
      if (this.readsPresence) this.handlers.presence(bytes.subarray(awarenessDataStart(bytes, 0)))
    } else if (bytes[0] === YMessage.auth) this.handlers.refused('permission_denied', null)
  }

  private sync(bytes: Uint8Array): void {
    const start = syncDataStart(bytes, 0)
    if (bytes[1] === YSync.step1) {
      const first = this.asked === null
      this.asked = readVector(bytes.subarray(start))
      if (!first) this.handlers.asked(this.asked)
      else if (this.hasState) this.ready(this.asked)
      return
    }
    // A large state comes as updates, and step 2 after them.
    this.handlers.update(bytes, start, bytes.length, this.hasState && bytes[1] === YSync.update)
    if (bytes[1] !== YSync.step2 || this.hasState) return
    this.hasState = true
    if (this.asked !== null) this.ready(this.asked)
  }

  /** Only with both of the server's steps: what is typed between them would be sent twice. */
  private ready(asked: ReadonlyMap<number, number>): void {
    this.handlers.synced()
    this.handlers.asked(asked)
  }
}
