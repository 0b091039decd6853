/*
 * A client of the Weft protocol in one room: `ws`, the codec, and Yjs for the document. PROTOCOL.md has the rules (P1, P2, ...)
 * that the comments name.
 */
import { randomBytes } from 'node:crypto'
import { EventEmitter } from 'node:events'
import WebSocket from 'ws'
import * as Y from 'yjs'
import {
  CloseCode,
  decodeServerFrame,
  decodeValue,
  encodeClientFrame,
  encodeValue,
  isRetryable,
  PROTOCOL_VERSION,
  readAwareness,
  retryClass,
  writeAwareness,
  type ClientFrame,
  type ServerFrame,
} from '@weft/protocol'
import { Outbox, type Change } from './outbox.js'

type FrameOf<T extends ServerFrame['type']> = Extract<ServerFrame, { type: T }>

/** Bounds of the wait before a retry, in milliseconds: they double from the first to the second. */
const retryBase = 500
const retryMax = 30_000
/** Stock clients forget a presence that was not shown again for 30 s. */
const presenceRenewal = 15_000
/** What ws reports where no server has closed the connection. */
const noConnection = 1006
/** How long a server may take to answer before it has told its heartbeat, in milliseconds. */
const connectTimeout = 10_000

export interface BotOptions {
  /** `ws://host:port`, without the path. */
  readonly url: string
  readonly room: string
  /** A token, or what brings one: asked at every connection. Default: none. */
  readonly token?: string | (() => Promise<string>)
  /** From 0 to below 1; for tests. Default: `Math.random`. */
  readonly random?: () => number
}

/** A durable message. */
export interface BotEvent {
  readonly seq: number
  readonly author: string | null
  readonly name: string
  readonly payload: unknown
  /** Whether this bot has appended it. */
  readonly own: boolean
}

export interface BotEvents {
  /** The room's state is here, changes flow. */
  live: []
  /** The connection is lost; the next attempt comes after `delay` milliseconds. */
  lost: [code: number, delay: number]
  /** Each durable message once, in the order of the room. */
  event: [BotEvent]
  /** `bot.others` has changed. */
  presence: []
  /** The room was deleted and made again (P20): `bot.doc` is a new document, what was unsaved is refused. */
  reset: []
  /** The bot has ended, and not by `close()`. */
  end: [Error]
}

/** A refusal, with its code of the protocol's table. */
export class Refused extends Error {
  override readonly name = 'Refused'
  readonly code: string

  constructor(code: string, message: string) {
    super(`${code}: ${message}`)
    this.code = code
  }
}

export class Bot extends EventEmitter<BotEvents> {
  /** States of everybody in the room, by awareness id. */
  readonly others = new Map<number, unknown>()
  private readonly options: BotOptions
  private readonly outbox = new Outbox()
  /** Makes changes that are sent again recognisable (P27): kept for the bot's life. */
  private readonly clientId = new Uint8Array(randomBytes(16))
  private readonly random: () => number
  private document = new Y.Doc()
  private latestEdit: Change | null = null
  private ws: WebSocket | null = null
  private closed = false

  // Where the bot stands in the room: what a JOIN resumes from.
  private epoch: number | null = null
  private watermark: number | null = null
  private seen = 0
  /** Appends that a cumulative ACK settled without telling their seq: their EVENT does. */
  private readonly seqless = new Map<number, Change>()
  /** Seqs of own messages whose EVENT came before the ACK. */
  private readonly ownSeqs = new Map<number, number>()

  // The running connection.
  private joined: FrameOf<'joined'> | null = null
  private live = false
  private pieces: Uint8Array[] = []
  private updateBytes = 0
  private lastRequest = 0
  private lastHeard = 0
  /** Silence after which the connection is dead, in milliseconds. */
  private patience = connectTimeout
  private earliestRetry = 0
  private failures = 0
  private timers = new Set<NodeJS.Timeout>()
  private held: NodeJS.Timeout | null = null
  private refusals = 0

  private presence: unknown = null
  private presenceClock = 0

  constructor(options: BotOptions) {
    super()
    this.options = options
    this.random = options.random ?? Math.random
    this.watch()
    void this.connect()
  }

  get doc(): Y.Doc {
    return this.document
  }

  /** Edits the document. @returns when the edit is committed; rejects with {@link Refused} when it was refused */
  async edit(change: (doc: Y.Doc) => void): Promise<void> {
    if (this.joined?.access === 'read') throw new Refused('forbidden', 'the token grants reading only')
    const before = this.latestEdit
    this.document.transact(() => change(this.document))
    if (this.latestEdit !== before) await this.latestEdit?.settled
  }

  /** Resolves when all changes up to now are committed. */
  async saved(): Promise<void> {
    await Promise.all(this.outbox.pending.map(({ settled }) => settled))
  }

  /** Appends a durable message. @returns its seq, after the commit */
  async append(name: string, payload: unknown): Promise<number> {
    if (this.closed) throw new Refused('closed', 'the bot has ended')
    const change = this.outbox.add({ type: 'append', name, payload: encodeValue(payload) })
    this.flush()
    const seq = await change.settled
    if (seq === null) throw new Error(`the server acknowledged message ${change.n} without a seq`)
    return seq
  }

  /** Shows a state (plain JSON) to the others, until the bot ends; null shows nothing. */
  show(state: unknown): void {
    this.presence = state
    this.sendPresence()
  }

  /** Ends the bot. What is unsaved is given up: `await bot.saved()` first. */
  close(): void {
    this.end(new Refused('closed', 'the bot was closed'))
  }

  private async connect(): Promise<void> {
    let token: string | null
    try {
      const { token: given } = this.options
      token = typeof given === 'function' ? await given() : (given ?? null)
    } catch {
      // Whoever issues tokens is away: as good as no network.
      this.retry(noConnection)
      return
    }
    if (this.closed) return
    const ws = new WebSocket(`${this.options.url}/v1/connect`, { handshakeTimeout: connectTimeout })
    this.ws = ws
    this.lastHeard = Date.now()
    this.every(1000, () => {
      if (Date.now() - this.lastHeard > this.patience) ws.terminate()
    })
    ws.on('open', () => {
      const { clientId } = this
      this.send({ type: 'hello', version: PROTOCOL_VERSION, token, clientId, agent: 'weft-bot-typescript' })
    })
    ws.on('message', (data: Buffer) => {
      this.lastHeard = Date.now()
      let frame: ReturnType<typeof decodeServerFrame>
      try {
        // A copy of its own: what a frame holds outlives the socket's buffer.
        frame = decodeServerFrame(new Uint8Array(data))
      } catch (error) {
        this.end(new Refused('invalid_frame', String(error)))
        return
      }
      this.receive(frame)
    })
    // A close always follows, and says what there is to say.
    ws.on('error', () => undefined)
    ws.on('close', (code, reason) => this.lost(code, reason.toString()))
  }

  private receive(frame: ReturnType<typeof decodeServerFrame>): void {
    if ('room' in frame && frame.type !== 'joined' && frame.room !== this.joined?.room) return
    switch (frame.type) {
      case 'welcome':
        this.updateBytes = Math.min(frame.limits.updateBytes, frame.limits.frameBytes - 64)
        // P10: both sides say something in each heartbeat, and give up after two without.
        this.patience = 2 * frame.heartbeat
        this.every(frame.heartbeat / 2, () => this.send({ type: 'ping', id: 0 }))
        this.every(presenceRenewal, () => this.sendPresence())
        this.join()
        return
      case 'ping':
        this.send({ type: 'pong', id: frame.id })
        return
      case 'joined':
        this.enter(frame)
        return
      case 'sync':
        this.pieces.push(frame.data)
        if (frame.part === 'more') return
        this.apply(new Uint8Array(Buffer.concat(this.pieces.splice(0))))
        if (frame.part === 'done') this.synced()
        return
      case 'updates':
        for (const update of frame.updates) this.apply(update)
        return
      case 'event':
        this.take(frame)
        return
      case 'watermark':
        this.watermark = frame.seq
        return
      case 'ack':
        this.acknowledged(frame)
        return
      case 'nack':
        this.refused(frame)
        return
      case 'presences':
        for (const { clientId, state } of readAwareness(frame.awareness, Infinity, Infinity)) {
          if (state === null) this.others.delete(clientId)
          else if (clientId !== this.document.clientID) this.others.set(clientId, JSON.parse(state))
        }
        this.emit('presence')
        return
      case 'access':
        if (this.joined !== null) this.joined = { ...this.joined, access: frame.access }
        return
      case 'left':
        this.leave()
        if (isRetryable(frame.code)) this.joinLater(0)
        else this.end(new Refused(frame.code, frame.message))
        return
      case 'error':
        this.earliestRetry = Date.now() + frame.retryAfter
        // Without a request it comes before a close (whose code decides), or tells of a dropped presence.
        if (frame.request === null) return
        if (isRetryable(frame.code)) this.joinLater(frame.retryAfter)
        else this.end(new Refused(frame.code, frame.message))
        return
      case 'drain':
        // P11: what was sent before is still acknowledged; the rest goes to the next node.
        this.earliestRetry = Date.now() + frame.delay
        this.live = false
        return
      case 'authed':
      case 'broadcasted':
      case 'historyPage':
      case 'pong':
      case 'unknown':
      case 'users':
        // P4: a client takes what it has use for.
        return
    }
  }

  private join(): void {
    this.send({
      type: 'join',
      request: ++this.lastRequest,
      room: this.options.room,
      epoch: this.epoch,
      after: this.watermark,
      stateVector: Y.encodeStateVector(this.document),
    })
  }

  private enter(joined: FrameOf<'joined'>): void {
    if (this.epoch !== null && joined.epoch !== this.epoch) this.reset()
    // P18: messages up to the head are history, unless the JOIN resumes.
    if (this.epoch === null) this.seen = joined.head
    this.epoch = joined.epoch
    this.joined = joined
    this.pieces = []
    this.others.clear()
  }

  /** P20: the document belonged to a room that is gone. */
  private reset(): void {
    const gone = new Refused('room_deleted', 'the room was deleted and made again')
    this.outbox.clear(gone)
    for (const change of this.seqless.values()) change.reject(gone)
    this.seqless.clear()
    this.ownSeqs.clear()
    this.document.off('update', this.onUpdate)
    this.document = new Y.Doc()
    this.watch()
    this.epoch = null
    this.watermark = null
    this.emit('reset')
  }

  private synced(): void {
    const { joined } = this
    if (joined === null) return
    this.watermark = Math.max(this.watermark ?? 0, joined.head)
    this.failures = 0
    this.live = true
    this.outbox.rewind()
    const resend = this.outbox.pending.length > 0
    if (joined.access === 'write' && (joined.mode !== 'resume' || resend))
      this.addWhatIsMissing(joined.stateVector)
    this.flush()
    this.sendPresence()
    this.emit('live')
  }

  /** P19: others' changes which this bot heard, and which their node may have lost before the commit. */
  private addWhatIsMissing(stateVector: Uint8Array): void {
    const committed = Y.decodeStateVector(stateVector)
    const held = Y.decodeStateVector(Y.encodeStateVector(this.document))
    // The bot's own are in the outbox, if they are not committed.
    held.delete(this.document.clientID)
    if ([...held].every(([client, clock]) => clock <= (committed.get(client) ?? 0))) return
    this.outbox.add({ type: 'update', update: Y.encodeStateAsUpdate(this.document, stateVector) })
  }

  private apply(update: Uint8Array): void {
    if (update.length > 0) Y.applyUpdate(this.document, update, this)
  }

  private watch(): void {
    this.document.on('update', this.onUpdate)
  }

  private readonly onUpdate = (update: Uint8Array, origin: unknown): void => {
    if (origin === this) return
    this.latestEdit = this.outbox.add({ type: 'update', update })
    this.flush()
  }

  /** Sends what is due, unless a refused change has to go first (P23). */
  private flush(): void {
    const room = this.joined?.room
    if (!this.live || room === undefined || this.held !== null) return
    for (const { n, body } of this.outbox.take()) {
      if (body.type === 'append') this.send({ ...body, room, n })
      else if (body.update.length <= this.updateBytes) this.send({ ...body, room, n })
      // Sent, it could cost the connection (P5), again and again.
      else this.refusedForGood(n, new Refused('too_large', `the update has ${body.update.length} bytes`))
    }
  }

  private acknowledged({ n, seq }: FrameOf<'ack'>): void {
    this.refusals = 0
    for (const change of this.outbox.acknowledge(n)) {
      if (change.body.type === 'update') change.resolve(change.n === n ? seq : null)
      else {
        const known = change.n === n ? seq : this.ownSeqs.get(change.n)
        if (known === undefined) this.seqless.set(change.n, change)
        else change.resolve(known)
      }
      this.ownSeqs.delete(change.n)
    }
  }

  private refused({ n, code, message }: FrameOf<'nack'>): void {
    // P14: no decision about the change; it is sent again in the next membership. P23: out_of_order follows from another NACK.
    if (code === 'not_joined' || code === 'out_of_order' || this.held !== null) return
    if (!isRetryable(code)) {
      this.refusedForGood(n, new Refused(code, message))
      return
    }
    this.held = setTimeout(() => {
      this.held = null
      this.outbox.rewind(n)
      this.flush()
    }, this.jitter(this.refusals++))
  }

  private refusedForGood(n: number, refusal: Refused): void {
    const change = this.outbox.refuse(n)
    change?.reject(refusal)
    // What was edited stays in the document, and later edits hang on it: this document and the room's never meet again.
    if (change?.body.type === 'update') this.end(refusal)
  }

  /** P28: in order, each once: what came before a reconnect may come again. */
  private take(frame: FrameOf<'event'>): void {
    if (frame.seq <= this.seen) return
    this.seen = frame.seq
    const { seq, n, author, name } = frame
    const own = Buffer.compare(frame.clientId, this.clientId) === 0
    if (own) {
      const change = this.seqless.get(n)
      this.seqless.delete(n)
      if (change === undefined) this.ownSeqs.set(n, seq)
      else change.resolve(seq)
    }
    this.emit('event', { seq, author, name, payload: decodeValue(frame.payload), own })
  }

  private sendPresence(): void {
    if (!this.live || this.joined === null || this.presence === null) return
    const state = JSON.stringify(this.presence)
    const entry = {
      clientId: this.document.clientID,
      clock: ++this.presenceClock,
      state,
    }
    this.send({ type: 'presence', room: this.joined.room, awareness: writeAwareness([entry]) })
  }

  private send(frame: ClientFrame): void {
    if (this.ws?.readyState === WebSocket.OPEN) this.ws.send(encodeClientFrame(frame))
  }

  /** The membership is over. */
  private leave(): void {
    this.joined = null
    this.live = false
    if (this.held !== null) clearTimeout(this.held)
    this.held = null
  }

  private joinLater(advised: number): void {
    const timer = setTimeout(
      () => {
        this.timers.delete(timer)
        this.join()
      },
      advised + this.jitter(this.failures++),
    )
    this.timers.add(timer)
  }

  private lost(code: number, reason: string): void {
    this.leave()
    for (const timer of this.timers) clearTimeout(timer)
    this.timers.clear()
    this.patience = connectTimeout
    if (this.closed) return
    // The one permanent code that a bot can do something about: a new token.
    const renewable = code === CloseCode.tokenExpired && typeof this.options.token === 'function'
    if (retryClass(code) === 'permanent' && !renewable) this.end(new Refused(String(code), reason))
    else this.retry(code)
  }

  private retry(code: number): void {
    if (this.closed) return
    const delay = Math.max(0, this.earliestRetry - Date.now()) + this.jitter(this.failures++)
    this.earliestRetry = 0
    const timer = setTimeout(() => {
      this.timers.delete(timer)
      void this.connect()
    }, delay)
    this.timers.add(timer)
    this.emit('lost', code, delay)
  }

  /** Full jitter, from the first retry: clients that lost one node do not come back as one. */
  private jitter(failures: number): number {
    return this.random() * Math.min(retryMax, retryBase * 2 ** failures)
  }

  private every(interval: number, act: () => void): void {
    this.timers.add(setInterval(act, interval))
  }

  private end(error: Refused): void {
    if (this.closed) return
    this.closed = true
    this.leave()
    for (const timer of this.timers) clearTimeout(timer)
    this.timers.clear()
    this.outbox.clear(error)
    for (const change of this.seqless.values()) change.reject(error)
    this.seqless.clear()
    this.ws?.close()
    if (error.code !== 'closed') this.emit('end', error)
  }
}
