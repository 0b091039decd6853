/*
 * Hands on the events of one room: in seq order and once each, whatever reconnects lie between (I2, P28). Loaded when an
 * application first listens: see `on-demand.ts`.
 */
import type { MessageWire } from '@weft/protocol'
import type { Emitter } from './emitter.js'
import type { Gap, ReadLog } from './event-log.js'
import type { DurableEvent } from './event-types.js'
import type { RoomContext } from './room-context.js'

/** Events asked for at once while a gap is filled: the most that a server gives. */
const pageSize = 1000

/** A log as its reader sees it. */
export interface LogHost {
  /** Every event up to here was handed on, or is older than the room's first join. Null before that. */
  position: number | null
  /** The last watermark: a node that has the room has what is before it (P59). */
  safe: number
  gap: Gap | null
  readonly byName: Emitter<Record<string, DurableEvent>>
  readonly all: Emitter<{ event: DurableEvent }>
  readonly room: RoomContext
  readonly read: ReadLog
  /** Own messages that were acknowledged together with later ones, and the seq of the last of these. */
  readonly unplaced: Map<number, number>
  /** The own message `n` is event `seq`. */
  place(n: number, seq: number): void
  /** Every event up to `seq` was handed on. */
  reached(seq: number): void
  decodeValue(payload: Uint8Array): unknown
  hex(bytes: Uint8Array): string
  /** Waits before the log is asked again. */
  pause(failures: number): Promise<void>
}

/** What hands events on. */
export interface EventReader {
  deliver(message: MessageWire): void
  /** Reads what was missed, if anything was. Live events wait until then. Never rejects. */
  fill(gap: Gap): Promise<void>
  /**
   * Everything up to `seq` was handed on, and never comes again. Looks for own messages of which the seq is not known: an
   * ACK stood for several, and those before the last were handed on in an earlier life of the client.
   */
  settled(seq: number): void
  /** The log begins anew. */
  reset(): void
}

const isOwn = ({ hex, room }: LogHost, [, author, clientId]: MessageWire): boolean =>
  // Who knows a client id may use it, under another name (P27).
  hex(clientId) === room.client.clientId && author === room.client.user

export const decodeEvent = (host: LogHost, message: MessageWire): DurableEvent => {
  const [seq, author, id, n, time, name, bytes] = message
  const payload = host.decodeValue(bytes)
  return {
    seq,
    name,
    payload,
    author,
    clientId: host.hex(id),
    n,
    time,
    own: isOwn(host, message),
  }
}

export const start = (log: LogHost): EventReader => {
  const { room, read, unplaced } = log
  /** What was handed on after the last watermark, by seq: a node that lags sends it again. */
  const recent = new Map<number, string>()
  let searching = false

  const deliver = (message: MessageWire): void => {
    const [seq, author, clientId, n] = message
    const key = `${log.hex(clientId)} ${n} ${author ?? ''}`
    if (seq <= (log.position ?? 0)) {
      const known = recent.get(seq)
      if (known === undefined || known === key) return
      // Another event under the same seq: a restored backup.
      recent.clear()
    }
    log.position = seq
    recent.set(seq, key)
    let event
    try {
      event = decodeEvent(log, message)
    } catch (thrown) {
      room.failed(`event ${seq}`, thrown)
      return
    }
    // An event is sent after its commit only: the own one need not wait for its ACK.
    if (event.own) log.place(n, seq)
    log.byName.emit(event.name, event)
    log.all.emit('event', event)
  }

  const settled = (seq: number): void => {
    for (const handed of recent.keys()) if (handed <= seq) recent.delete(handed)
    const before = [...unplaced.values()].reduce((most, seq) => Math.max(most, seq), 0)
    if (before > 0 && before <= (log.position ?? 0) && !searching) void findOwn(before)
  }

  const findOwn = async (before: number): Promise<void> => {
    searching = true
    try {
      for (let at = before, more = true; more && [...unplaced.values()].some((seq) => seq <= before);) {
        const page = await read({ before: at, limit: pageSize })
        for (const event of page.events) if (isOwn(log, event)) log.place(event[3], event[0])
        at = page.events[0]?.[0] ?? 0
        more = page.more && at > 0
      }
    } catch {
      // Asked again when the next watermark comes.
    } finally {
      searching = false
    }
  }

  const fill = async (gap: Gap): Promise<void> => {
    let failures = 0
    for (let more = true; more && log.position !== null && log.position < gap.until;) {
      const asked = gap.until
      try {
        const page = await read({ after: log.position, limit: pageSize })
        // Joined again, or gone: the next JOINED begins anew from the position that was reached.
        if (log.gap !== gap) return
        failures = 0
        for (const event of page.events) if (event[0] <= gap.until) deliver(event)
        const last = page.events.at(-1)?.[0]
        // What was let go of meanwhile is later than the page.
        more = gap.until > asked || (page.more && last !== undefined && last < gap.until)
      } catch (thrown) {
        const { code, retryable } = Object(thrown) as {
          code?: unknown
          retryable?: unknown
        }
        if (log.gap !== gap || code === 'connection_lost') return
        if (retryable !== true) {
          room.failed('missed events', thrown)
          return
        }
        // What the server cannot read now, it can later.
        await log.pause(failures++)
        if (log.gap !== gap) return
      }
    }
    if (log.gap !== gap) return
    log.gap = null
    log.position = Math.max(log.position ?? 0, gap.until)
    for (const message of gap.held) deliver(message)
    log.reached(Math.max(gap.until, gap.reached))
    room.caughtUp()
  }

  return { deliver, fill, settled, reset: () => recent.clear() }
}
