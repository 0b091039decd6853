/*
 * A client of the Weft protocol for tests: frames in, frames out, and nothing done on its own but PONG. What the SDK hides
 * (order, repetition, close codes) is visible here.
 */
import { randomBytes } from 'node:crypto'
import WebSocket from 'ws'
import * as Y from 'yjs'
import {
  decodeServerFrame,
  decodeValue,
  encodeClientFrame,
  encodeValue,
  PROTOCOL_VERSION,
  readAwareness,
  writeAwareness,
  type ClientFrame,
  type ServerFrame,
} from '@weft/protocol'
import { within } from './until.js'

/** A frame of one type. */
export type FrameOf<T extends ServerFrame['type']> = Extract<ServerFrame, { type: T }>

export interface BotOptions {
  /** Of the upgrade request. */
  readonly headers?: Readonly<Record<string, string>>
  readonly token?: string | null
  /** 16 bytes; random by default. */
  readonly clientId?: Uint8Array
  /** The authority to trust (PEM), for `wss:`. */
  readonly ca?: string
  /** Whether PINGs are answered. Default: yes. */
  readonly pong?: boolean
}

export interface CloseReport {
  readonly code: number
  readonly reason: string
}

export interface JoinOptions {
  readonly epoch?: number
  readonly after?: number
  readonly stateVector?: Uint8Array
}

export interface HistoryOptions {
  readonly after?: number
  readonly before?: number
  /** Default: 100. */
  readonly limit?: number
}

interface Waiter {
  readonly matches: (frame: ServerFrame) => boolean
  readonly resolve: (frame: ServerFrame) => void
  readonly reject: (error: Error) => void
}

/** A connection on `/v1/connect`. */
export class WeftBot {
  readonly clientId: Uint8Array
  /** Every frame, in order of arrival. */
  readonly frames: ServerFrame[] = []
  readonly closed: Promise<CloseReport>
  private readonly ws: WebSocket
  private readonly taken = new Set<ServerFrame>()
  private readonly rooms = new Map<number, BotRoom>()
  private waiters: Waiter[] = []
  private nextRequest = 1

  private constructor(ws: WebSocket, options: BotOptions) {
    this.ws = ws
    this.clientId = options.clientId ?? new Uint8Array(randomBytes(16))
    ws.binaryType = 'nodebuffer'
    ws.on('message', (data: Buffer) => this.receive(new Uint8Array(data), options.pong ?? true))
    // A server that closes while frames are on their way to it resets the connection: the close report says the rest.
    ws.on('error', () => undefined)
    this.closed = new Promise((resolve) => {
      ws.on('close', (code, reason) => {
        resolve({ code, reason: reason.toString() })
        for (const { reject } of this.waiters) reject(new Error(`closed with ${code} ${reason.toString()}`))
        this.waiters = []
      })
    })
  }

  /** Connects without saying HELLO. */
  static async connect(wsUrl: string, options: BotOptions = {}): Promise<WeftBot> {
    const ws = new WebSocket(`${wsUrl}/v1/connect`, {
      headers: options.headers ?? {},
      ...(options.ca === undefined ? {} : { ca: options.ca }),
    })
    const bot = new WeftBot(ws, options)
    await within(
      new Promise<void>((resolve, reject) => {
        ws.once('open', resolve)
        ws.once('error', reject)
      }),
      'the connection',
    )
    return bot
  }

  /** Connects and says HELLO. */
  static async open(wsUrl: string, options: BotOptions = {}): Promise<WeftBot> {
    const bot = await WeftBot.connect(wsUrl, options)
    bot.hello(options.token ?? null)
    await bot.next('welcome')
    return bot
  }

  hello(token: string | null = null): void {
    this.send({ type: 'hello', version: PROTOCOL_VERSION, token, clientId: this.clientId, agent: 'bot' })
  }

  send(frame: ClientFrame): void {
    this.raw(encodeClientFrame(frame))
  }

  raw(bytes: Uint8Array): void {
    this.ws.send(bytes)
  }

  text(message: string): void {
    this.ws.send(message)
  }

  /** The next frame of a type that no `next` has given yet. */
  async next<T extends ServerFrame['type']>(
    type: T,
    where: (frame: FrameOf<T>) => boolean = () => true,
  ): Promise<FrameOf<T>> {
    const matches = (frame: ServerFrame): frame is FrameOf<T> =>
      frame.type === type && where(frame as FrameOf<T>)
    return await this.nextOf(matches, `a frame ${type}`)
  }

  /** The next frame, of whatever type, that no `next` has given yet. */
  async nextOf<F extends ServerFrame>(matches: (frame: ServerFrame) => frame is F, what: string): Promise<F> {
    const known = this.frames.find((frame) => !this.taken.has(frame) && matches(frame))
    const promise =
      known === undefined
        ? new Promise<ServerFrame>((resolve, reject) => this.waiters.push({ matches, resolve, reject }))
        : Promise.resolve(known)
    const frame = await within(promise, what)
    this.taken.add(frame)
    return frame as F
  }

  /** Answered once everything sent before has been handled: PONG comes in order. */
  async flush(): Promise<void> {
    const id = this.nextRequest++
    this.send({ type: 'ping', id })
    await this.next('pong', (frame) => frame.id === id)
  }

  /** Joins, and waits for the end of the initial state. */
  async join(name: string, options: JoinOptions = {}): Promise<BotRoom> {
    const joined = await this.joinOnly(name, options)
    await this.next('sync', (frame) => frame.room === joined.room && frame.part === 'done')
    return this.roomOf(joined)
  }

  /** Joins, and waits for JOINED. */
  async joinOnly(name: string, options: JoinOptions = {}): Promise<FrameOf<'joined'>> {
    const request = this.requestJoin(name, options)
    return await this.next('joined', (frame) => frame.request === request)
  }

  /** Joins, and waits for the refusal. */
  async joinRefused(name: string, options: JoinOptions = {}): Promise<FrameOf<'error'>> {
    const request = this.requestJoin(name, options)
    return await this.next('error', (frame) => frame.request === request)
  }

  requestJoin(name: string, { epoch, after, stateVector }: JoinOptions = {}): number {
    const request = this.nextRequest++
    this.send({
      type: 'join',
      request,
      room: name,
      epoch: epoch ?? null,
      after: after ?? null,
      stateVector: stateVector ?? null,
    })
    return request
  }

  /** Asks for messages of a room's past. @returns the number of the request */
  askHistory(room: number, { after, before, limit = 100 }: HistoryOptions = {}): number {
    const request = this.nextRequest++
    this.send({ type: 'history', request, room, after: after ?? null, before: before ?? null, limit })
    return request
  }

  /** What has arrived for a room. */
  roomOf(joined: FrameOf<'joined'>): BotRoom {
    const room = this.rooms.get(joined.room)
    if (room === undefined) throw new Error(`never in room ${joined.room}`)
    return room
  }

  /** Stops reading from the socket: what the server sends piles up. */
  pause(): void {
    this.ws.pause()
  }

  resume(): void {
    this.ws.resume()
  }

  /** Says goodbye and waits for the end. */
  async close(): Promise<void> {
    this.ws.close()
    await within(this.closed, 'the close')
  }

  /** Ends without a word. */
  terminate(): void {
    this.ws.terminate()
  }

  private receive(bytes: Uint8Array, pong: boolean): void {
    const frame = decodeServerFrame(bytes)
    if (frame.type === 'unknown')
      throw new Error(`the server sent a frame of the unknown type ${frame.number}`)
    this.frames.push(frame)
    if (frame.type === 'ping' && pong) this.send({ type: 'pong', id: frame.id })
    if (frame.type === 'joined') this.rooms.set(frame.room, new BotRoom(this, frame))
    else if ('room' in frame) this.rooms.get(frame.room)?.take(frame)
    for (const waiter of this.waiters) {
      if (!waiter.matches(frame)) continue
      this.waiters.splice(this.waiters.indexOf(waiter), 1)
      this.taken.add(frame)
      waiter.resolve(frame)
      return
    }
  }
}

/** One membership of a bot: its document, and what came. */
export class BotRoom {
  readonly bot: WeftBot
  readonly joined: FrameOf<'joined'>
  readonly number: number
  readonly doc = new Y.Doc()
  /** EVENT frames in order of arrival. */
  readonly events: FrameOf<'event'>[] = []
  /** PRESENCES: the latest state of each id, null for gone. */
  readonly presence = new Map<number, { clock: number; state: unknown }>()
  watermark: number
  /** Bytes of the largest SYNC frame, and how many came. */
  syncFrames = 0
  acked = 0
  private pieces: Uint8Array[] = []
  private n = 0

  constructor(bot: WeftBot, joined: FrameOf<'joined'>) {
    this.bot = bot
    this.joined = joined
    this.number = joined.room
    this.watermark = 0
  }

  get text(): string {
    return this.doc.getText('text').toJSON()
  }

  /** Edits the bot's document, and sends the edit. @returns its number */
  edit(change: (text: Y.Text, doc: Y.Doc) => void): number {
    const updates: Uint8Array[] = []
    const collect = (update: Uint8Array): void => void updates.push(update)
    this.doc.on('update', collect)
    this.doc.transact(() => change(this.doc.getText('text'), this.doc))
    this.doc.off('update', collect)
    return this.update(Y.mergeUpdates(updates))
  }

  /** Appends to the text. @returns its number */
  type(value: string): number {
    return this.edit((text) => text.insert(text.length, value))
  }

  /** Sends an update. @returns its number */
  update(update: Uint8Array, n = this.n + 1): number {
    this.n = n
    this.bot.send({ type: 'update', room: this.number, n, update })
    return n
  }

  /** Sends what is to be the first content: a text, or any update. Its own document gets it when it comes back. @returns its number */
  seed(content: string | Uint8Array, n = this.n + 1): number {
    this.n = n
    let update = content
    if (typeof update === 'string') {
      const doc = new Y.Doc()
      doc.getText('text').insert(0, update)
      update = Y.encodeStateAsUpdate(doc)
    }
    this.bot.send({ type: 'seed', room: this.number, n, update })
    return n
  }

  /** What becomes of a change: the seq of the ACK that covers it, or the code of its NACK. */
  async fate(n: number): Promise<number | string> {
    const settles = (frame: ServerFrame): frame is FrameOf<'ack' | 'nack'> =>
      ((frame.type === 'ack' && frame.n >= n) || (frame.type === 'nack' && frame.n === n)) &&
      frame.room === this.number
    const frame = await this.bot.nextOf(settles, `the ACK or NACK of ${n}`)
    return frame.type === 'ack' ? frame.seq : frame.code
  }

  /** Sends a durable message. @returns its number */
  append(name: string, payload: unknown, n = this.n + 1): number {
    this.n = n
    this.bot.send({ type: 'append', room: this.number, n, name, payload: encodeValue(payload) })
    return n
  }

  /** A page of the room's past. */
  async history(options: HistoryOptions = {}): Promise<FrameOf<'historyPage'>> {
    const request = this.bot.askHistory(this.number, options)
    return await this.bot.next('historyPage', (frame) => frame.request === request)
  }

  /** Shows presence. */
  show(clientId: number, clock: number, state: unknown): void {
    const awareness = writeAwareness([{ clientId, clock, state: JSON.stringify(state) }])
    this.bot.send({ type: 'presence', room: this.number, awareness })
  }

  /** Waits until everything up to `n` is acknowledged. */
  async saved(n = this.n): Promise<void> {
    if (this.acked >= n) return
    await this.bot.next('ack', (frame) => frame.room === this.number && frame.n >= n)
  }

  /** The payloads of the messages, in order of arrival. */
  get messages(): unknown[] {
    return this.events.map(({ payload }) => decodeValue(payload))
  }

  /** Takes a frame of this room in. */
  take(frame: ServerFrame): void {
    if (frame.type === 'sync') {
      this.syncFrames++
      this.pieces.push(frame.data)
      if (frame.part !== 'more') this.applyPieces()
    } else if (frame.type === 'updates') {
      for (const update of frame.updates) Y.applyUpdate(this.doc, update, 'remote')
    } else if (frame.type === 'event') this.events.push(frame)
    else if (frame.type === 'watermark') this.watermark = frame.seq
    else if (frame.type === 'ack') this.acked = frame.n
    else if (frame.type === 'presences') {
      for (const { clientId, clock, state } of readAwareness(frame.awareness, 1e6, 1e6)) {
        this.presence.set(clientId, { clock, state: JSON.parse(state ?? 'null') as unknown })
      }
    }
  }

  private applyPieces(): void {
    const update = new Uint8Array(Buffer.concat(this.pieces))
    this.pieces = []
    if (update.length > 0) Y.applyUpdate(this.doc, update, 'remote')
  }
}
