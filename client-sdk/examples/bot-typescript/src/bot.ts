/*
 * A client of the Weft protocol in one room: `ws`, the codec, and Yjs for the document. PROTOCOL.md has the rules (P1, P2, ...)
 * that the comments name.
 */
import { randomBytes } from 'node:crypto'
import { EventEmitter } from 'node:events'
import * as Y from 'yjs'
import { encodeValue, isRetryable, type ServerFrame } from '@weft/protocol'
import { Connection, type ReceivedFrame } from './connection.js'
import { Log } from './log.js'
import { Outbox, type Change } from './outbox.js'
import { Presence } from './presence.js'
import {
  Refused,
  type BotEvents,
  type BotOptions,
  type HistoryPage,
  type HistoryQuery,
  type Other,
} from './types.js'

export { Refused, type BotEvent, type BotOptions, type Other } from './types.js'

type FrameOf<T extends ServerFrame['type']> = Extract<ServerFrame, { type: T }>

/** Stock clients forget a presence that was not shown again for 30 s. */
const presenceRenewal = 15_000

export class Bot extends EventEmitter<BotEvents> {
  private readonly options: BotOptions
  private readonly outbox = new Outbox()
  /** Makes changes that are sent again recognisable (P27): kept for the bot's life. */
  private readonly clientId = new Uint8Array(randomBytes(16))
  private readonly connection: Connection
  private document = new Y.Doc()
  private latestEdit: Change | null = null
  private ended: Refused | null = null

  // Where the bot stands in the room: what a JOIN resumes from.
  private epoch: number | null = null
  private watermark: number | null = null
  private readonly log = new Log(this.clientId)
  private readonly presence = new Presence()

  // The running connection.
  /** As whom the server knows the bot. */
  private user: string | null = null
  private joined: FrameOf<'joined'> | null = null
  private isLive = false
  private pieces: Uint8Array[] = []
  private updateBytes = 0
  private lastRequest = 0
  private held: NodeJS.Timeout | null = null
  private refusals = 0

  constructor(options: BotOptions) {
    super()
    this.options = options
    this.connection = new Connection(options, this.clientId, {
      received: (frame) => this.receive(frame),
      down: () => this.leave(),
      retries: (code, delay) => this.emit('lost', code, delay),
      refused: (error) => this.end(error),
    })
    this.watch()
    void this.connection.open()
  }

  get doc(): Y.Doc {
    return this.document
  }

  /** Everybody else in the room, by awareness id. */
  get others(): ReadonlyMap<number, Other> {
    return this.presence.others
  }

  /** The first seq that comes as an `event`. What is before it is history. */
  get start(): number {
    return this.log.start
  }

  /** Resolves when the room's state is here and changes flow; rejects when the bot has ended instead. */
  async live(): Promise<void> {
    if (this.isLive) return
    if (this.ended !== null) throw this.ended
    await new Promise<void>((resolve, reject) => {
      const done = (error?: Error): void => {
        this.off('live', live).off('end', done)
        if (error === undefined) resolve()
        else reject(error)
      }
      const live = (): void => done()
      this.on('live', live).on('end', done)
    })
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
    if (this.ended !== null) throw this.ended
    const change = this.outbox.add({ type: 'append', name, payload: encodeValue(payload) })
    this.flush()
    const seq = await change.settled
    if (seq === null) throw new Error(`the server acknowledged message ${change.n} without a seq`)
    return seq
  }

  /** Reads the log. Rejects with {@link Refused}: `not_joined` when the connection is lost meanwhile. */
  async history(query: HistoryQuery = {}): Promise<HistoryPage> {
    if (this.joined === null) throw new Refused('not_joined', 'the bot is not in the room now')
    return this.log.ask(++this.lastRequest, this.joined.room, query, (frame) => this.connection.send(frame))
  }

  /** Shows a state (plain JSON) to the others, until the bot ends; null shows nothing. */
  show(state: unknown): void {
    this.presence.show(state)
    this.sendPresence()
  }

  /** Ends the bot. What is unsaved is given up: `await bot.saved()` first. */
  close(): void {
    this.end(new Refused('closed', 'the bot was closed'))
  }

  private receive(frame: ReceivedFrame): void {
    if ('room' in frame && frame.type !== 'joined' && frame.room !== this.joined?.room) return
    switch (frame.type) {
      case 'welcome':
        this.user = frame.user
        this.updateBytes = Math.min(frame.limits.updateBytes, frame.limits.frameBytes - 64)
        this.connection.keepAlive(frame.heartbeat)
        this.connection.every(presenceRenewal, () => this.sendPresence())
        this.join()
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
      case 'event': {
        const event = this.log.take(frame, this.user)
        if (event !== null) this.emit('event', event)
        return
      }
      case 'historyPage':
        this.log.answer(frame, this.user)
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
      case 'users':
        this.presence.identify(frame.users)
        return
      case 'presences':
        this.presence.take(frame.awareness, this.document.clientID)
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
        this.connection.stayAway(frame.retryAfter)
        // Without a request it comes before a close (whose code decides), or tells of a dropped presence.
        if (frame.request === null) return
        if (this.log.refuse(frame.request, new Refused(frame.code, frame.message))) return
        if (isRetryable(frame.code)) this.joinLater(frame.retryAfter)
        else this.end(new Refused(frame.code, frame.message))
        return
      case 'drain':
        // P11: what was sent before is still acknowledged; the rest goes to the next node.
        this.connection.stayAway(frame.delay)
        this.isLive = false
        return
      case 'authed':
      case 'broadcasted':
      case 'ping':
      case 'pong':
      case 'unknown':
        // P4: a client takes what it has use for.
        return
    }
  }

  private join(): void {
    this.connection.send({
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
    if (this.epoch === null) this.log.begin(joined.head)
    this.epoch = joined.epoch
    this.joined = joined
    this.pieces = []
    this.presence.clear()
  }

  /** P20: the document belonged to a room that is gone. */
  private reset(): void {
    const gone = new Refused('room_deleted', 'the room was deleted and made again')
    this.outbox.clear(gone)
    this.log.clear(gone)
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
    this.connection.works()
    this.isLive = true
    this.outbox.rewind()
    if (joined.access === 'write') this.addWhatIsMissing(joined.stateVector)
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
    if (!this.isLive || room === undefined || this.held !== null) return
    for (const { n, body } of this.outbox.take()) {
      if (body.type === 'append') this.connection.send({ ...body, room, n })
      else if (body.update.length <= this.updateBytes) this.connection.send({ ...body, room, n })
      // Sent, it could cost the connection (P5), again and again.
      else this.refusedForGood(n, new Refused('too_large', `the update has ${body.update.length} bytes`))
    }
  }

  private acknowledged({ n, seq }: FrameOf<'ack'>): void {
    this.refusals = 0
    for (const change of this.outbox.acknowledge(n)) {
      const known = change.n === n ? seq : null
      if (change.body.type === 'update') change.resolve(known)
      else this.log.committed(change, known)
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
    }, this.connection.jitter(this.refusals++))
  }

  private refusedForGood(n: number, refusal: Refused): void {
    const change = this.outbox.refuse(n)
    change?.reject(refusal)
    // What was edited stays in the document, and later edits hang on it: this document and the room's never meet again.
    if (change?.body.type === 'update') this.end(refusal)
  }

  private sendPresence(): void {
    if (!this.isLive || this.joined === null) return
    const awareness = this.presence.next(this.document.clientID)
    if (awareness !== null) this.connection.send({ type: 'presence', room: this.joined.room, awareness })
  }

  /** The membership is over. */
  private leave(): void {
    this.joined = null
    this.isLive = false
    this.log.leave()
    if (this.held !== null) clearTimeout(this.held)
    this.held = null
  }

  private joinLater(advised: number): void {
    this.connection.later(advised, () => this.join())
  }

  private end(error: Refused): void {
    if (this.ended !== null) return
    this.ended = error
    this.leave()
    this.outbox.clear(error)
    this.log.clear(error)
    this.connection.close()
    if (error.code !== 'closed') this.emit('end', error)
  }
}
