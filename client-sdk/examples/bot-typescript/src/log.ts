/* The room's durable messages: those that come, the bot's own until their seq is known, and the past. */
import { decodeValue, type ClientFrame, type DurableMessage, type ServerFrame } from '@weft/protocol'
import type { Change } from './outbox.js'
import { Refused, type BotEvent, type HistoryPage, type HistoryQuery } from './types.js'

type FrameOf<T extends ServerFrame['type']> = Extract<ServerFrame, { type: T }>
type HistoryFrame = Extract<ClientFrame, { type: 'history' }>

interface Question {
  readonly resolve: (page: HistoryPage) => void
  readonly reject: (error: Error) => void
}

export class Log {
  private readonly clientId: Uint8Array
  private seen = 0
  private first = 0
  /** Appends that a cumulative ACK settled without telling their seq: their EVENT does. */
  private readonly seqless = new Map<number, Change>()
  /** Seqs of own messages whose EVENT came before the ACK. */
  private readonly ownSeqs = new Map<number, number>()
  private readonly questions = new Map<number, Question>()

  /** @param clientId the bot's own */
  constructor(clientId: Uint8Array) {
    this.clientId = clientId
  }

  /** The first seq that comes as an event; what is before it is history (P18). */
  get start(): number {
    return this.first
  }

  /** The bot is in the room for the first time. */
  begin(head: number): void {
    this.seen = head
    this.first = head + 1
  }

  /** P28: in order, each once: what came before a reconnect may come again. @returns null for one that did */
  take(frame: FrameOf<'event'>, user: string | null): BotEvent | null {
    if (frame.seq <= this.seen) return null
    this.seen = frame.seq
    const event = this.read(frame, user)
    if (event.own) {
      const change = this.seqless.get(frame.n)
      this.seqless.delete(frame.n)
      if (change === undefined) this.ownSeqs.set(frame.n, frame.seq)
      else change.resolve(frame.seq)
    }
    return event
  }

  /** An append is committed. @param seq null when its ACK told that of a later one */
  committed(change: Change, seq: number | null): void {
    const known = seq ?? this.ownSeqs.get(change.n)
    this.ownSeqs.delete(change.n)
    if (known === undefined) this.seqless.set(change.n, change)
    else change.resolve(known)
  }

  /** Asks for a part of the past (P50). */
  ask(
    request: number,
    room: number,
    query: HistoryQuery,
    send: (frame: HistoryFrame) => void,
  ): Promise<HistoryPage> {
    const { after = null, before = null, limit = 100 } = query
    return new Promise((resolve, reject) => {
      this.questions.set(request, { resolve, reject })
      send({ type: 'history', request, room, after, before, limit })
    })
  }

  answer({ request, events, more }: FrameOf<'historyPage'>, user: string | null): void {
    this.questions.get(request)?.resolve({ events: events.map((event) => this.read(event, user)), more })
    this.questions.delete(request)
  }

  /** A question was refused. @returns whether it was one */
  refuse(request: number, error: Error): boolean {
    this.questions.get(request)?.reject(error)
    return this.questions.delete(request)
  }

  /** The membership is over, and with it what was asked in it. */
  leave(): void {
    for (const request of [...this.questions.keys()])
      this.refuse(request, new Refused('not_joined', 'the connection was lost before the answer came'))
  }

  /** Nothing of the log is to be heard any more, or another one begins. */
  clear(error: Error): void {
    for (const change of this.seqless.values()) change.reject(error)
    this.seqless.clear()
    this.ownSeqs.clear()
  }

  private read(message: DurableMessage, user: string | null): BotEvent {
    const { seq, author, name } = message
    // Others see the client id, and could use it under their own name.
    const own = Buffer.compare(message.clientId, this.clientId) === 0 && author === user
    return { seq, author, name, payload: decodeValue(message.payload), own }
  }
}
