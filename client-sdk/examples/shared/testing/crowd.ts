/* Many pointers that move, without the SDK: what the crowd costs must not be what is measured of the page. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  decodeServerFrame,
  encodeClientFrame,
  PROTOCOL_VERSION,
  writeAwareness,
  type ClientFrame,
} from '@weft/protocol'
import WebSocket from 'ws'

/** Frames longer than this are presences of others, which nobody here reads. */
const controlBytes = 256

class Dancer {
  sent = 0
  room: number | null = null
  private readonly ws: WebSocket
  private readonly index: number

  constructor(wsUrl: string, roomName: string, index: number) {
    this.index = index
    this.ws = new WebSocket(`${wsUrl}/v1/connect`)
    this.ws.on('open', () => {
      const clientId = new Uint8Array(randomBytes(16))
      this.send({ type: 'hello', version: PROTOCOL_VERSION, token: null, clientId, agent: 'crowd' })
      this.send({ type: 'join', request: 1, room: roomName, epoch: null, after: null, stateVector: null })
    })
    this.ws.on('message', (data: Buffer) => {
      if (data.length > controlBytes) return
      const frame = decodeServerFrame(new Uint8Array(data))
      if (frame.type === 'joined') this.room = frame.room
      if (frame.type === 'ping') this.send({ type: 'pong', id: frame.id })
    })
  }

  get here(): boolean {
    return this.room !== null
  }

  /** Each on a circle of its own. */
  move(): void {
    if (this.room === null) return
    this.sent++
    const angle = this.sent / 20 + this.index
    const x = 0.5 + 0.4 * Math.cos(angle) * ((this.index % 20) / 20)
    const y = 0.5 + 0.4 * Math.sin(angle) * ((this.index % 20) / 20)
    const state = JSON.stringify({ name: `dancer ${this.index}`, color: '#0369a1', x, y })
    const awareness = writeAwareness([{ clientId: this.index + 1, clock: this.sent, state }])
    this.send({ type: 'presence', room: this.room, awareness })
  }

  async close(): Promise<void> {
    this.ws.close()
    await once(this.ws, 'close')
  }

  private send(frame: ClientFrame): void {
    this.ws.send(encodeClientFrame(frame))
  }
}

/** So many pointers in a room, each on a connection of its own and moving at a rate. */
export class Crowd {
  private readonly dancers: readonly Dancer[]
  private timer: NodeJS.Timeout | null = null

  constructor(wsUrl: string, roomName: string, count: number) {
    this.dancers = Array.from({ length: count }, (_, index) => new Dancer(wsUrl, roomName, index))
  }

  get here(): boolean {
    return this.dancers.every((dancer) => dancer.here)
  }

  /** Updates of all since they began to move. */
  get sent(): number {
    return this.dancers.reduce((sum, dancer) => sum + dancer.sent, 0)
  }

  /** @param rate updates per second of each, spread evenly over time */
  dance(rate: number): void {
    const begin = performance.now()
    let next = 0
    this.timer = setInterval(() => {
      // What a late timer has left out is made up for.
      const due = ((performance.now() - begin) / 1000) * rate * this.dancers.length
      for (; next < due; next++) this.dancers[next % this.dancers.length]?.move()
    }, 5)
  }

  async close(): Promise<void> {
    if (this.timer !== null) clearInterval(this.timer)
    await Promise.all(this.dancers.map((dancer) => dancer.close()))
  }
}
