/*
 * The durable messages of one room: the client's own out, and where everybody's stand. What hands those on is in
 * `event-reader.ts`, which is loaded when somebody listens.
 */
import { decodeValue, type MessageWire } from '@weft/protocol'
import { createEmitter } from './emitter.js'
import type { WeftError } from './errors.js'
import type { EventReader, LogHost } from './event-reader.js'
import { onDemand } from './on-demand.js'
import { encodePayload } from './payload.js'
import type { RoomContext } from './room-context.js'
import { retryDelay } from './timer.js'
import type { DurableEvent, HistoryQuery, RoomEventLog } from './types.js'
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

/** Where a log stands. */
export interface LogState {
  /** Every event up to here was handed on, or is older than the room's first join. Null before that. */
  position: number | null
  /** The last watermark: a node that has the room has what is before it (P59). */
  safe: number
  gap: Gap | null
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
  const unplaced = new Map<number, number>()
  const state: LogState = { position: null, safe: 0, gap: null }
  /** Null until somebody listens: what comes before that is for nobody. */
  let reader: EventReader | null = null
  let wanted = false

  const place = (n: number, seq: number): void => {
    unplaced.delete(n)
    appends.resolve(n, { seq })
  }

  const pause = (failures: number): Promise<void> =>
    new Promise((resolve) => void client.clock.after(retryDelay(failures, client.random), resolve))

  /** What comes from now on waits until what is before it was handed on. */
  const openGap = (until: number): void => {
    state.gap = { until, held: [], reached: 0 }
    void reader?.fill(state.gap)
  }

  const host: LogHost = {
    state,
    room,
    read,
    unplaced,
    place,
    emit: (event) => {
      byName.emit(event.name, event)
      all.emit('event', event)
    },
    reached: (seq) => reached(seq),
    decodeValue,
    hex,
    pause,
  }

  /** Somebody wants to hear events. Never rejects. */
  const use = async (): Promise<void> => {
    if (wanted) return
    wanted = true
    openGap(state.position ?? 0)
    for (let failures = 0; !reader && !room.over; failures++) {
      try {
        const { createEventReader } = await onDemand.eventReader()
        reader = createEventReader(host)
        if (state.gap) void reader.fill(state.gap)
      } catch (thrown) {
        room.failedToLoad(thrown)
        await pause(failures)
      }
    }
  }

  const reached = (seq: number): void => {
    if (state.gap) {
      state.gap.reached = seq
      return
    }
    state.position = Math.max(state.position ?? 0, seq)
    state.safe = Math.max(state.safe, seq)
    reader?.settled(seq)
  }

  const reset = (error: WeftError): void => {
    state.gap = state.position = null
    state.safe = 0
    reader?.reset()
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
      const { decodeEvent } = await onDemand.eventReader()
      return { events: events.map((message) => decodeEvent(host, message)), more }
    },
    get heard() {
      return state.position ?? 0
    },
    resume: (seq) => {
      state.position = seq
    },
    joined: (from, head) => {
      state.gap = null
      // A restored backup has forgotten events: what comes after its head is new. A node that has not heard yet of what was
      // handed on since the last watermark has not forgotten it, and sends it again.
      if (state.position !== null && head < state.safe) state.position = state.safe = head
      const missed = (state.position ??= from) < from
      if (!wanted) state.position = Math.max(state.position, from)
      else if (missed || !reader) openGap(from)
    },
    receive: (message) => {
      const [seq] = message
      const { gap } = state
      if (gap) {
        if (seq <= gap.until) return
        gap.held.push(message)
        if (gap.held.length > heldLimit) {
          gap.until = seq
          gap.held = []
        }
      } else if (reader) reader.deliver(message)
      else state.position = seq
    },
    reached,
    committed: (n, seq, ackedAs) => {
      if (seq !== null) place(n, seq)
      else if (appends.has(n)) {
        unplaced.set(n, ackedAs)
        void use()
        reader?.settled(0)
      }
    },
    refused: appends.reject,
    down: () => {
      state.gap = null
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
