/*
 * The durable messages of one room: the client's own out, everybody's in, in seq order and once each, whatever
 * reconnects lie between (I2, P28).
 */
import { decodeValue, type EventFrame, type DurableMessage } from '@weft/protocol'
import { fullJitter } from './backoff.js'
import type { Clock } from './clock.js'
import { Emitter, type Unsubscribe } from './emitter.js'
import { WeftError } from './errors.js'
import type { EventChange } from './outbox.js'
import { encodePayload } from './payload.js'
import type { DurableEvent, EventHistory, HistoryQuery, Logger, RoomEventLog } from './types.js'
import { handled } from './waiters.js'

/** Events asked for at once while a gap is filled: the most that a server gives. */
const pageSize = 1000

/** Events that arrive while a gap before them is filled and are kept; past that they are read from the log as well. */
const heldLimit = 1000

/** A page of the log as the server sends it. */
export interface Page {
  readonly events: readonly DurableMessage[]
  readonly more: boolean
}

/** Bounds of the delay before a part of the log that could not be read is asked for again, in milliseconds. */
const retryBase = 500
const retryMax = 15_000

/** What the log needs of its room. */
export interface EventLogHost {
  readonly clock: Clock
  readonly random: () => number
  readonly logger: Logger
  /** The client's id, in hexadecimal: its own events carry it. */
  readonly clientId: string
  /** The verified user of the connection: who knows a client id may use it, under another name (P27). */
  user(): string | null
  /** Puts a message into the outbox. Returns its number. */
  add(name: string, payload: Uint8Array): number
  /** Why nothing can be appended any more; null while it can. */
  over(): WeftError | null
  /** Reads the log. Rejects when the connection or the membership ends. */
  read(query: HistoryQuery): Promise<Page>
  /** Events that were missed have been handed on: `heard` is further than the last watermark says. */
  caughtUp(): void
  failed(message: string, cause: unknown): void
}

interface Append {
  readonly resolve: (result: { readonly seq: number }) => void
  readonly reject: (error: WeftError) => void
  /** It was acknowledged together with later ones, the last of which has this seq. */
  before: number | null
}

interface Gap {
  /** Events up to here come from the log. */
  until: number
  /** Live events after it. */
  held: EventFrame[]
}

type AnyEvents = Record<string, unknown>
type AnyEvent = DurableEvent

export class EventLog implements RoomEventLog<AnyEvents> {
  private readonly host: EventLogHost
  private readonly byName: Emitter<Record<string, AnyEvent>>
  private readonly all: Emitter<{ event: AnyEvent }>
  private readonly appends = new Map<number, Append>()
  /** Every event up to here was handed on, or is older than the room's first join. Null before that. */
  private position: number | null = null
  /** The last watermark: a node that has the room has what is before it (P59). */
  private safe = 0
  /** What was handed on after it, by seq: a node that lags sends it again. */
  private readonly recent = new Map<number, string>()
  private gap: Gap | null = null
  private searching = false

  constructor(host: EventLogHost) {
    this.host = host
    this.byName = new Emitter(host.logger)
    this.all = new Emitter(host.logger)
  }

  append(name: string, payload: unknown): Promise<{ seq: number }> {
    const appending = new Promise<{ seq: number }>((resolve, reject) => {
      const over = this.host.over()
      if (over !== null) throw over
      const n = this.host.add(name, encodePayload(name, payload))
      this.appends.set(n, { resolve, reject, before: null })
    })
    return handled(appending)
  }

  on<Name extends string>(name: Name, listener: (event: DurableEvent<Name>) => void): Unsubscribe {
    // Under a name only events of that name are emitted.
    return this.byName.on(name, listener as (event: AnyEvent) => void)
  }

  onAny(listener: (event: AnyEvent) => void): Unsubscribe {
    return this.all.on('event', listener)
  }

  async history(query: HistoryQuery = {}): Promise<EventHistory<AnyEvents>> {
    const { events, more } = await this.host.read(query)
    return { events: events.map((event) => this.decode(event)), more }
  }

  /** Every event up to here was handed on; behind the watermark while missed ones are read. */
  get heard(): number {
    return this.position ?? 0
  }

  /** An earlier visit has seen the events up to `seq`: those after it are told first. */
  resume(seq: number): void {
    this.position = seq
  }

  /** The room was joined: events after `from` arrive by themselves, those before it do not. */
  joined(from: number, head: number): void {
    this.gap = null
    // A restored backup has forgotten events: what comes after its head is new. A node that has not heard yet of what was
    // handed on since the last watermark has not forgotten it, and sends it again (see `deliver`).
    if (this.position !== null && head < this.safe) this.position = this.safe = head
    if (this.position === null) this.position = from
    else if (this.position < from) void this.fill(from)
  }

  /** Takes an EVENT frame. */
  receive(frame: EventFrame): void {
    if (this.gap === null) this.deliver(frame)
    else if (frame.seq > this.gap.until) {
      this.gap.held.push(frame)
      if (this.gap.held.length > heldLimit) {
        this.gap.until = frame.seq
        this.gap.held = []
      }
    }
  }

  /** Every event up to `seq` has arrived (P29). */
  reached(seq: number): void {
    if (this.gap !== null) return
    this.position = Math.max(this.position ?? 0, seq)
    this.settled(seq)
    this.lookUp()
  }

  /** An own message is committed. */
  committed(change: EventChange, seq: number | null, ackedAs: number): void {
    const append = this.appends.get(change.n)
    if (append === undefined) return
    if (seq !== null) this.resolve(change.n, seq)
    else {
      append.before = ackedAs
      this.lookUp()
    }
  }

  /** An own message was refused, or given up. */
  refused(n: number, error: WeftError): void {
    this.appends.get(n)?.reject(error)
    this.appends.delete(n)
  }

  /** The connection is gone. */
  down(): void {
    this.gap = null
  }

  /** The room was deleted and made again: its log begins anew. */
  reset(error: WeftError): void {
    this.gap = null
    this.position = null
    this.safe = 0
    this.recent.clear()
    for (const n of [...this.appends.keys()]) this.refused(n, error)
  }

  /** The room was left. */
  end(error: WeftError): void {
    this.reset(error)
    this.byName.clear()
    this.all.clear()
  }

  /** Reads what was missed while the server could not resume. Live events wait until then. */
  private async fill(until: number): Promise<void> {
    const gap: Gap = { until, held: [] }
    this.gap = gap
    try {
      for (let more = true; more && this.position !== null && this.position < gap.until;) {
        const asked = gap.until
        const page = await this.readPatiently(gap, { after: this.position, limit: pageSize })
        // Joined again, or gone: the next JOINED begins anew from the position that was reached.
        if (page === null || this.gap !== gap) return
        for (const event of page.events) if (event.seq <= gap.until) this.deliver(event)
        const last = page.events.at(-1)
        // What was let go of meanwhile is later than the page.
        more = gap.until > asked || (page.more && last !== undefined && last.seq < gap.until)
      }
    } catch (thrown) {
      if (this.gap === gap && !(thrown instanceof WeftError && thrown.code === 'connection_lost'))
        this.host.failed('events that were missed could not be read', thrown)
      return
    }
    this.gap = null
    this.position = Math.max(this.position ?? 0, gap.until)
    this.settled(this.position)
    for (const frame of gap.held) this.deliver(frame)
    this.host.caughtUp()
    this.lookUp()
  }

  /** What the server cannot read now, it can later. @returns null when the gap is no longer to be filled */
  private async readPatiently(gap: Gap, query: HistoryQuery): Promise<Page | null> {
    const { clock, random } = this.host
    for (let failures = 0; this.gap === gap; failures++) {
      try {
        return await this.host.read(query)
      } catch (thrown) {
        if (!(thrown instanceof WeftError) || !thrown.retryable) throw thrown
        const delay = fullJitter(failures, retryBase, retryMax, random)
        await new Promise<void>((resolve) => clock.after(delay, resolve))
      }
    }
    return null
  }

  private deliver(frame: DurableMessage): void {
    const key = `${hex(frame.clientId)} ${frame.n} ${frame.author ?? ''}`
    if (frame.seq <= (this.position ?? 0)) {
      const known = this.recent.get(frame.seq)
      if (known === undefined || known === key) return
      // Another event under the same seq: a restored backup.
      this.recent.clear()
    }
    this.position = frame.seq
    this.recent.set(frame.seq, key)
    let event: AnyEvent
    try {
      event = this.decode(frame)
    } catch (thrown) {
      this.host.failed(`the payload of event ${frame.seq} could not be read`, thrown)
      return
    }
    // An event is sent after its commit only: the own one need not wait for its ACK.
    if (event.own) this.resolve(event.n, event.seq)
    this.byName.emit(event.name, event)
    this.all.emit('event', event)
  }

  private decode(frame: DurableMessage): AnyEvent {
    const { seq, name, author, n, time } = frame
    const clientId = hex(frame.clientId)
    return {
      seq,
      name,
      payload: decodeValue(frame.payload),
      author,
      clientId,
      n,
      time,
      own: this.isOwn(clientId, author),
    }
  }

  private isOwn(clientId: string, author: string | null): boolean {
    return clientId === this.host.clientId && author === this.host.user()
  }

  /** What was handed on up to `seq` never comes again. */
  private settled(seq: number): void {
    this.safe = Math.max(this.safe, seq)
    for (const handed of this.recent.keys()) if (handed <= seq) this.recent.delete(handed)
  }

  private resolve(n: number, seq: number): void {
    this.appends.get(n)?.resolve({ seq })
    this.appends.delete(n)
  }

  /** An ACK stood for several messages, and those before the last were handed on in an earlier life of the client. */
  private lookUp(): void {
    const before = [...this.appends.values()].reduce((most, append) => Math.max(most, append.before ?? 0), 0)
    if (before > 0 && before <= (this.position ?? 0) && !this.searching) void this.findOwn(before)
  }

  private async findOwn(before: number): Promise<void> {
    this.searching = true
    try {
      for (let at = before, more = true; more && this.isLookingFor(before);) {
        const page = await this.host.read({ before: at, limit: pageSize })
        for (const event of page.events)
          if (this.isOwn(hex(event.clientId), event.author)) this.resolve(event.n, event.seq)
        at = page.events[0]?.seq ?? 0
        more = page.more && at > 0
      }
    } catch {
      // Asked again when the next watermark comes.
    } finally {
      this.searching = false
    }
  }

  private isLookingFor(before: number): boolean {
    return [...this.appends.values()].some((append) => append.before !== null && append.before <= before)
  }
}

/** Bytes in hexadecimal. */
export const hex = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
