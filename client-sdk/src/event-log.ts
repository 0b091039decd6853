/*
 * The durable messages of one room: the client's own out, and where everybody's stand. What hands those on is in
 * `event-reader.ts`, which is loaded when somebody listens.
 */
import { decodeValue, type MessageWire } from '@weft/protocol'
import { createEmitter } from './emitter.js'
import type { WeftError } from './errors.js'
import type { DurableEvent, HistoryQuery, RoomEventLog } from './event-types.js'
import type { EventReader, LogHost } from './event-reader.js'
import { onDemand } from './on-demand.js'
import { encodePayload } from './payload.js'
import type { RoomContext } from './room-context.js'
import { retryDelay } from './timer.js'
import { createAnswers, handled } from './waiters.js'

/** Events that arrive while a gap before them is filled and are kept; past that they are read from the log as well. */
const heldLimit = 1000

/** A page of the log as the server sends it. */
export interface Page {
  readonly events: readonly MessageWire[]
  readonly more: boolean
}

/** Reads the log. Rejects when the connection or the membership ends before the answer. */
export type ReadLog = (query: HistoryQuery) => Promise<Page>

/** Events that were missed, or that nobody can hand on yet. */
export interface Gap {
  /** Events up to here come from the log. */
  until: number
  /** Live events after it. */
  held: MessageWire[]
  /** The last watermark that came meanwhile. */
  reached: number
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
  /** Null until somebody listens: what comes before that is for nobody. */
  let reader: EventReader | null = null
  let wanted = false

  const log: LogHost = {
    position: null,
    safe: 0,
    gap: null,
    unplaced: new Map(),
    byName,
    all,
    room,
    read,
    decodeValue,
    hex,
    place: (n, seq) => {
      log.unplaced.delete(n)
      appends.resolve(n, { seq })
    },
    reached: (seq) => {
      if (log.gap) {
        log.gap.reached = seq
        return
      }
      log.position = Math.max(log.position ?? 0, seq)
      log.safe = Math.max(log.safe, seq)
      reader?.settled(seq)
    },
    pause: (failures) =>
      new Promise((resolve) => void client.clock.after(retryDelay(failures, client.random), resolve)),
  }

  /** What comes from now on waits until what is before it was handed on. */
  const openGap = (until: number): void => {
    log.gap = { until, held: [], reached: 0 }
    void reader?.fill(log.gap)
  }

  /** Somebody wants to hear events. Never rejects. */
  const use = async (): Promise<void> => {
    if (wanted) return
    wanted = true
    // Before the first join there is nothing to begin after.
    if (log.position !== null) openGap(log.position)
    for (let failures = 0; !reader && !room.over; failures++) {
      try {
        const { start } = await onDemand.events()
        reader = start(log)
        if (log.gap) void reader.fill(log.gap)
      } catch (thrown) {
        room.notLoaded(thrown)
        await log.pause(failures)
      }
    }
  }

  const reset = (error: WeftError): void => {
    log.gap = log.position = null
    log.safe = 0
    reader?.reset()
    log.unplaced.clear()
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
    on: (name, listener) => {
      void use()
      // Under a name only events of that name are emitted.
      return byName.on(name, listener as (event: DurableEvent) => void)
    },
    onAny: (listener) => {
      void use()
      return all.on('event', listener)
    },
    history: async (query = {}) => {
      const { events, more } = await read(query)
      const { decodeEvent } = await onDemand.events()
      return {
        events: events.map((message) => decodeEvent(log, message)),
        more,
      }
    },
    get heard() {
      return log.position ?? 0
    },
    resume: (seq) => {
      log.position = seq
    },
    joined: (from, head) => {
      log.gap = null
      // A restored backup has forgotten events: what comes after its head is new. A node that has not heard yet of what was
      // handed on since the last watermark has not forgotten it, and sends it again.
      if (log.position !== null && head < log.safe) log.position = log.safe = head
      const missed = (log.position ??= from) < from
      if (!wanted) log.position = Math.max(log.position, from)
      else if (missed || !reader) openGap(from)
    },
    receive: (message) => {
      const [seq] = message
      const { gap } = log
      if (gap) {
        if (seq <= gap.until) return
        gap.held.push(message)
        if (gap.held.length > heldLimit) {
          gap.until = seq
          gap.held = []
        }
      } else if (reader) reader.deliver(message)
      else log.position = seq
    },
    reached: log.reached,
    committed: (n, seq, ackedAs) => {
      if (seq !== null) log.place(n, seq)
      else if (appends.has(n)) {
        log.unplaced.set(n, ackedAs)
        void use()
        reader?.settled(0)
      }
    },
    refused: appends.reject,
    down: () => {
      log.gap = null
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
