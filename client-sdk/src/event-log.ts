/*
 * The durable messages of one room: the client's own out, everybody's in, in seq order and once each, whatever
 * reconnects lie between (I2, P28).
 */
import { decodeValue, type MessageWire } from '@weft/protocol'
import { createEmitter } from './emitter.js'
import { WeftError } from './errors.js'
import { encodePayload } from './payload.js'
import type { RoomContext } from './room-context.js'
import { retryDelay } from './timer.js'
import type { DurableEvent, HistoryQuery, RoomEventLog } from './types.js'
import { createAnswers, handled } from './waiters.js'

/** Events asked for at once while a gap is filled: the most that a server gives. */
const pageSize = 1000

/** Events that arrive while a gap before them is filled and are kept; past that they are read from the log as well. */
const heldLimit = 1000

/** A page of the log as the server sends it. */
export interface Page {
  readonly events: readonly MessageWire[]
  readonly more: boolean
}

/** Reads the log. Rejects when the connection or the membership ends before the answer. */
export type ReadLog = (query: HistoryQuery) => Promise<Page>

interface Gap {
  /** Events up to here come from the log. */
  until: number
  /** Live events after it. */
  held: MessageWire[]
}

/** The event log as its room sees it. */
export interface EventLog extends RoomEventLog<Record<string, unknown>> {
  /** Every event up to here was handed on; behind the watermark while missed ones are read. */
  readonly heard: number
  /** An earlier visit has seen the events up to `seq`: those after it are told first. */
  resume(seq: number): void
  /** The room was joined: events after `from` arrive by themselves, those before it do not. */
  joined(from: number, head: number): void
  /** Takes the message of an EVENT frame. */
  receive(message: MessageWire): void
  /** Every event up to `seq` has arrived (P29). */
  reached(seq: number): void
  /** The own message `n` is committed. @param seq see {@link SenderHost} */
  committed(n: number, seq: number | null, ackedAs: number): void
  /** An own message was refused, or given up. */
  refused(n: number, error: WeftError): void
  /** The connection is gone. */
  down(): void
  /** The room was deleted and made again: its log begins anew. */
  reset(error: WeftError): void
  /** The room was left. */
  end(error: WeftError): void
}

/** @param append puts a message into the outbox, and returns its number */
export const createEventLog = (
  room: RoomContext,
  append: (name: string, payload: Uint8Array) => number,
  read: ReadLog,
): EventLog => {
  const { client } = room
  const byName = createEmitter<Record<string, DurableEvent>>(client.logger)
  const all = createEmitter<{ event: DurableEvent }>(client.logger)
  const appends = createAnswers<{ seq: number }>()
  /** Those of them that were acknowledged together with later ones, and the seq of the last of these. */
  const unplaced = new Map<number, number>()
  /** Every event up to here was handed on, or is older than the room's first join. Null before that. */
  let position: number | null = null
  /** The last watermark: a node that has the room has what is before it (P59). */
  let safe = 0
  /** What was handed on after it, by seq: a node that lags sends it again. */
  const recent = new Map<number, string>()
  let gap: Gap | null = null
  let searching = false

  const place = (n: number, seq: number): void => {
    unplaced.delete(n)
    appends.resolve(n, { seq })
  }

  const refused = (n: number, error: WeftError): void => {
    unplaced.delete(n)
    appends.reject(n, error)
  }

  const isOwn = ([, author, clientId]: MessageWire): boolean =>
    // Who knows a client id may use it, under another name (P27).
    hex(clientId) === client.clientId && author === client.user

  const decode = (message: MessageWire): DurableEvent => {
    const [seq, author, id, n, time, name, bytes] = message
    const payload = decodeValue(bytes)
    return { seq, name, payload, author, clientId: hex(id), n, time, own: isOwn(message) }
  }

  const deliver = (message: MessageWire): void => {
    const [seq, author, clientId, n] = message
    const key = `${hex(clientId)} ${n} ${author ?? ''}`
    if (seq <= (position ?? 0)) {
      const known = recent.get(seq)
      if (known === undefined || known === key) return
      // Another event under the same seq: a restored backup.
      recent.clear()
    }
    position = seq
    recent.set(seq, key)
    let event
    try {
      event = decode(message)
    } catch (thrown) {
      room.failed(`event ${seq}`, thrown)
      return
    }
    // An event is sent after its commit only: the own one need not wait for its ACK.
    if (event.own) place(n, seq)
    byName.emit(event.name, event)
    all.emit('event', event)
  }

  /** Everything up to `seq` was handed on, and never comes again. */
  const settled = (seq: number): void => {
    position = Math.max(position ?? 0, seq)
    safe = Math.max(safe, seq)
    for (const handed of recent.keys()) if (handed <= seq) recent.delete(handed)
  }

  /** An ACK stood for several messages, and those before the last were handed on in an earlier life of the client. */
  const lookUp = (): void => {
    const before = [...unplaced.values()].reduce((most, seq) => Math.max(most, seq), 0)
    if (before > 0 && before <= (position ?? 0) && !searching) void findOwn(before)
  }

  const findOwn = async (before: number): Promise<void> => {
    searching = true
    try {
      for (let at = before, more = true; more && [...unplaced.values()].some((seq) => seq <= before);) {
        const page = await read({ before: at, limit: pageSize })
        for (const event of page.events) if (isOwn(event)) place(event[3], event[0])
        at = page.events[0]?.[0] ?? 0
        more = page.more && at > 0
      }
    } catch {
      // Asked again when the next watermark comes.
    } finally {
      searching = false
    }
  }

  /** What the server cannot read now, it can later. @returns null when the gap is no longer to be filled */
  const readPatiently = async (filled: Gap, query: HistoryQuery): Promise<Page | null> => {
    for (let failures = 0; gap === filled; failures++) {
      try {
        return await read(query)
      } catch (thrown) {
        if (!(thrown instanceof WeftError) || !thrown.retryable) throw thrown
        await new Promise<void>((resolve) => client.clock.after(retryDelay(failures, client.random), resolve))
      }
    }
    return null
  }

  /** Reads what was missed while the server could not resume. Live events wait until then. */
  const fill = async (until: number): Promise<void> => {
    const filled: Gap = { until, held: [] }
    gap = filled
    try {
      for (let more = true; more && position !== null && position < filled.until;) {
        const asked = filled.until
        const page = await readPatiently(filled, { after: position, limit: pageSize })
        // Joined again, or gone: the next JOINED begins anew from the position that was reached.
        if (!page || gap !== filled) return
        for (const event of page.events) if (event[0] <= filled.until) deliver(event)
        const last = page.events.at(-1)?.[0]
        // What was let go of meanwhile is later than the page.
        more = filled.until > asked || (page.more && last !== undefined && last < filled.until)
      }
    } catch (thrown) {
      if (gap === filled && !(thrown instanceof WeftError && thrown.code === 'connection_lost'))
        room.failed('missed events', thrown)
      return
    }
    gap = null
    settled(filled.until)
    for (const message of filled.held) deliver(message)
    room.caughtUp()
    lookUp()
  }

  const reset = (error: WeftError): void => {
    gap = position = null
    safe = 0
    recent.clear()
    unplaced.clear()
    appends.rejectAll(error)
  }

  return {
    append: (name, payload) => {
      const appending = async (): Promise<{ seq: number }> => {
        if (room.over) throw room.over
        return appends.wait(append(name, encodePayload(name, payload)))
      }
      return handled(appending())
    },
    // Under a name only events of that name are emitted.
    on: (name, listener) => byName.on(name, listener as (event: DurableEvent) => void),
    onAny: (listener) => all.on('event', listener),
    history: async (query = {}) => {
      const { events, more } = await read(query)
      return { events: events.map(decode), more }
    },
    get heard() {
      return position ?? 0
    },
    resume: (seq) => {
      position = seq
    },
    joined: (from, head) => {
      gap = null
      // A restored backup has forgotten events: what comes after its head is new. A node that has not heard yet of what was
      // handed on since the last watermark has not forgotten it, and sends it again (see `deliver`).
      if (position !== null && head < safe) position = safe = head
      if (position === null) position = from
      else if (position < from) void fill(from)
    },
    receive: (message) => {
      const [seq] = message
      if (!gap) deliver(message)
      else if (seq > gap.until) {
        gap.held.push(message)
        if (gap.held.length > heldLimit) {
          gap.until = seq
          gap.held = []
        }
      }
    },
    reached: (seq) => {
      if (gap) return
      settled(seq)
      lookUp()
    },
    committed: (n, seq, ackedAs) => {
      if (seq !== null) place(n, seq)
      else if (appends.has(n)) {
        unplaced.set(n, ackedAs)
        lookUp()
      }
    },
    refused,
    down: () => {
      gap = null
    },
    reset,
    end: (error) => {
      reset(error)
      byName.clear()
      all.clear()
    },
  }
}

/** Bytes in hexadecimal. */
export const hex = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
