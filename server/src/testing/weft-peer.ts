/*
 * A client of the Weft protocol that does what PROTOCOL.md asks of clients and no more: reconnects, resumes from its
 * watermark, sends again what is not acknowledged. It speaks of durable messages as well, and notes every breach of the
 * rules that it sees.
 */
import { randomBytes } from 'node:crypto'
import WebSocket from 'ws'
import * as Y from 'yjs'
import {
  decodeServerFrame,
  encodeClientFrame,
  encodeValue,
  isRetryable,
  PROTOCOL_VERSION,
  type ClientFrame,
  type EventFrame,
  type ServerFrame,
} from '@weft/protocol'

/** A change of this peer. */
export interface PeerChange {
  readonly n: number
  readonly frame: (room: number) => ClientFrame
}

export interface PeerOptions {
  /** Where to connect; asked each time. */
  readonly url: () => string
  readonly room: string
  /** Milliseconds before the next attempt. */
  readonly retryDelay: () => number
  /** A change was acknowledged, as `seq` if it is the one that ACK names. */
  readonly acked?: (n: number, seq: number | null) => void
}

export class WeftPeer {
  readonly clientId = new Uint8Array(randomBytes(16))
  readonly doc = new Y.Doc()
  /** Messages in order of arrival, each once. */
  readonly events: EventFrame[] = []
  readonly rejected: { n: number; code: string }[] = []
  /** Rules that the server broke. */
  readonly breaches: string[] = []
  /** The head when this peer first came: earlier messages are history. */
  start: number | null = null
  joins = 0
  resends = 0
  repeatedEvents = 0
  retries = 0
  private readonly options: PeerOptions
  private readonly outbox: PeerChange[] = []
  private readonly sentBefore = new Set<number>()
  private ws: WebSocket | null = null
  private timer: NodeJS.Timeout | null = null
  private closed = false
  private n = 0
  private room: number | null = null
  private epoch: number | null = null
  private watermark: number | null = null
  private syncing: { head: number; pieces: Uint8Array[]; updates: Uint8Array[] } | null = null
  /** A retryable refusal: nothing is sent until the pause is over. */
  private held: NodeJS.Timeout | null = null

  constructor(options: PeerOptions) {
    this.options = options
    this.doc.on('update', (update: Uint8Array, origin: unknown) => {
      if (origin !== this)
        this.change((n) => (room) => ({ type: 'update', room, n, update: new Uint8Array(update) }))
    })
    this.connect()
  }

  /** In the room, with all of its state. */
  get live(): boolean {
    return this.room !== null && this.syncing === null
  }

  get unsaved(): number {
    return this.outbox.length
  }

  get lastNumber(): number {
    return this.n
  }

  /** Appends a durable message. @returns its number */
  append(name: string, payload: unknown): number {
    const bytes = encodeValue(payload)
    return this.change((n) => (room) => ({ type: 'append', room, n, name, payload: bytes }))
  }

  close(): void {
    this.closed = true
    if (this.timer !== null) clearTimeout(this.timer)
    this.down()
    this.ws?.terminate()
  }

  private change(make: (n: number) => (room: number) => ClientFrame): number {
    const change = { n: ++this.n, frame: make(this.n) }
    this.outbox.push(change)
    if (this.room !== null && this.held === null) this.transmit(change)
    return change.n
  }

  private connect(): void {
    this.timer = null
    const ws = new WebSocket(`${this.options.url()}/v1/connect`)
    this.ws = ws
    ws.binaryType = 'nodebuffer'
    ws.on('error', () => undefined)
    ws.on('open', () => {
      const { clientId } = this
      this.send({ type: 'hello', version: PROTOCOL_VERSION, token: null, clientId, agent: 'peer' })
    })
    ws.on('message', (data: Buffer) => {
      if (this.ws !== ws || this.closed) return
      const frame = decodeServerFrame(new Uint8Array(data))
      if (frame.type !== 'unknown') this.take(frame)
    })
    ws.on('close', () => {
      if (this.ws !== ws) return
      this.down()
      if (!this.closed) this.timer = setTimeout(() => this.connect(), this.options.retryDelay())
    })
  }

  private down(): void {
    this.room = null
    this.syncing = null
    if (this.held !== null) clearTimeout(this.held)
    this.held = null
  }

  private send(frame: ClientFrame): void {
    this.ws?.send(encodeClientFrame(frame))
  }

  private transmit(change: PeerChange): void {
    if (this.room === null) return
    if (this.sentBefore.has(change.n)) this.resends++
    this.sentBefore.add(change.n)
    this.send(change.frame(this.room))
  }

  private join(): void {
    const { epoch, watermark: after } = this
    this.send({ type: 'join', request: 1, room: this.options.room, epoch, after, stateVector: null })
  }

  private take(frame: ServerFrame): void {
    switch (frame.type) {
      case 'welcome':
        this.join()
        break
      case 'joined':
        this.joins++
        this.start ??= frame.head
        this.room = frame.room
        if (this.epoch !== null && this.epoch !== frame.epoch) this.breaches.push('the epoch changed')
        if (this.watermark !== null && frame.mode !== 'resume')
          this.breaches.push(`P16: no resume after ${this.watermark} with head ${frame.head}`)
        this.epoch = frame.epoch
        this.syncing = { head: frame.head, pieces: [], updates: [] }
        // P21: what is not acknowledged, in order, with the same numbers and bytes.
        for (const change of this.outbox) this.transmit(change)
        break
      case 'sync':
        this.sync(frame.part, frame.data)
        break
      case 'updates':
        if (this.syncing !== null) this.breaches.push('P18: UPDATES before done')
        for (const update of frame.updates) Y.applyUpdate(this.doc, update, this)
        break
      case 'event':
        this.event(frame)
        break
      case 'watermark':
        if (this.watermark !== null) this.watermark = Math.max(this.watermark, frame.seq)
        break
      case 'ack':
        this.acknowledge(frame.n, frame.seq)
        break
      case 'nack':
        this.refused(frame.n, frame.code)
        break
      case 'error':
        if (frame.request === null) break
        this.retries++
        setTimeout(() => {
          if (this.ws?.readyState === WebSocket.OPEN) this.join()
        }, this.options.retryDelay())
        break
      case 'ping':
        this.send({ type: 'pong', id: frame.id })
        break
      case 'left':
        this.down()
        setTimeout(() => {
          if (this.ws?.readyState === WebSocket.OPEN) this.join()
        }, this.options.retryDelay())
        break
      case 'presences':
      case 'users':
      case 'access':
      case 'historyPage':
      case 'broadcasted':
      case 'authed':
      case 'drain':
      case 'pong':
        break
    }
  }

  private sync(part: 'more' | 'update' | 'done', data: Uint8Array): void {
    const { syncing } = this
    if (syncing === null) {
      this.breaches.push('P17: SYNC after done')
      return
    }
    syncing.pieces.push(data)
    if (part === 'more') return
    const update = new Uint8Array(Buffer.concat(syncing.pieces))
    syncing.pieces = []
    if (update.length > 0) syncing.updates.push(update)
    if (part !== 'done') return
    for (const each of syncing.updates) Y.applyUpdate(this.doc, each, this)
    this.watermark = Math.max(this.watermark ?? 0, syncing.head)
    this.syncing = null
  }

  private event(frame: EventFrame): void {
    const last = this.events.at(-1)?.seq ?? this.start ?? 0
    if (frame.seq > last) {
      this.events.push(frame)
      return
    }
    this.repeatedEvents++
    if (frame.seq > (this.start ?? 0) && !this.events.some(({ seq }) => seq === frame.seq))
      this.breaches.push(`P28: message ${frame.seq} came after ${last}`)
  }

  private acknowledge(n: number, seq: number): void {
    for (let first = this.outbox[0]; first !== undefined && first.n <= n; first = this.outbox[0]) {
      this.outbox.shift()
      this.options.acked?.(first.n, first.n === n ? seq : null)
    }
  }

  private refused(n: number, code: string): void {
    if (!isRetryable(code)) {
      const index = this.outbox.findIndex((change) => change.n === n)
      if (index >= 0) this.outbox.splice(index, 1)
      this.rejected.push({ n, code })
      return
    }
    // P23: one wait serves the refused change and all that come after it, which are out of order until then.
    if (code === 'out_of_order') return
    this.retries++
    this.held ??= setTimeout(() => {
      this.held = null
      for (const change of this.outbox) if (change.n >= n) this.transmit(change)
    }, this.options.retryDelay())
  }
}
