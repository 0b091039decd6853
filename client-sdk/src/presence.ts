/* The presence of one room: the client's own state out, the others' in. */
import * as decoding from 'lib0/decoding'
import {
  applyAwarenessUpdate,
  encodeAwarenessUpdate,
  removeAwarenessStates,
  type Awareness,
} from 'y-protocols/awareness'
import type * as Y from 'yjs'
import { createEmitter } from './emitter.js'
import type { RoomHost } from './room-host.js'
import { createTimer } from './timer.js'
import type { Other, PresenceEvents, RoomPresence } from './types.js'

/** What the presence of a room needs of its room. */
export interface PresenceHost {
  readonly client: Pick<RoomHost, 'clock' | 'logger' | 'presenceInterval'> & {
    readonly idle: Pick<RoomHost['idle'], 'idle' | 'activity'>
  }
  send(awareness: Uint8Array): void
  /** Somebody else came, changed or went. */
  changed(): void
}

interface Changes {
  readonly added: readonly number[]
  readonly updated: readonly number[]
  readonly removed: readonly number[]
}

/** Marks what came from the server, so that it is not sent back (P30). */
const remote = Symbol()

interface Notices<P extends object> extends PresenceEvents<P> {
  /** After the others have changed, once for all of it. */
  changed: undefined
}

/** The presence as its room sees it. */
export interface PresenceChannel<P extends object> extends RoomPresence<P> {
  readonly awareness: Awareness
  /** Shows whether the user is there, beside what the application shows. */
  setIdle(idle: boolean): void
  /** Takes a USERS frame: it comes before the presence of those whom it names. */
  receiveUsers(users: readonly (readonly [id: number, user: string | null])[]): void
  /** The room has been joined: shows the own state. The first frame holds exactly one id (P31). */
  up(): void
  /** The membership is over, or the connection gone: nobody else is known to be here. */
  down(): void
  /** Takes a PRESENCES frame. @throws when it does not decode */
  receive(update: Uint8Array): void
  /** Moves to the awareness of a new document, with the state that the client shows. */
  rebind(next: Awareness): void
  /** Ends the timers of the awareness, which otherwise keep a process alive. */
  destroy(): void
}

export const createPresence = <P extends object>(
  awareness: Awareness,
  { client, send, changed }: PresenceHost,
): PresenceChannel<P> => {
  const emitter = createEmitter<Notices<P>>(client.logger)
  const wait = createTimer(client.clock)
  let joined = false
  let dirty = false
  /** In the order in which they came. Each keeps its object until it changes. */
  const members = new Map<number, Other<P>>()
  let others: readonly Other<P>[] = []
  /** Who the server says that presence ids belong to. */
  const users = new Map<number, string | null>()

  const own = (): Record<string, unknown> | null => awareness.getLocalState()
  const show = (state: Record<string, unknown> | null): void => awareness.setLocalState(state)

  const stopWaiting = (): void => {
    dirty = false
    wait.stop()
  }

  const sendNow = (): void => {
    stopWaiting()
    send(encodeAwarenessUpdate(awareness, [awareness.clientID]))
    wait.start(client.presenceInterval, () => {
      if (dirty) sendNow()
    })
  }

  const onEdit = (_: Uint8Array, __: unknown, ___: Y.Doc, { local }: Y.Transaction): void => {
    if (local) client.idle.activity()
  }

  /** Renewals too (every 15 s, by the awareness itself): stock clients drop a state that is not renewed. */
  const onUpdate = ({ added, updated, removed }: Changes, origin: unknown): void => {
    if (origin === remote || !joined) return
    const isOwn = (ids: readonly number[]): boolean => ids.includes(awareness.clientID)
    if (isOwn(removed)) sendNow()
    else if (isOwn(added) || isOwn(updated)) {
      // At once when nothing was sent lately, else at the end of the interval: leading and trailing edge.
      if (wait.running) dirty = true
      else sendNow()
    }
  }

  const onChange = ({ added, updated, removed }: Changes, origin: unknown): void => {
    const notices: [keyof PresenceEvents<P>, Other<P>][] = []
    for (const clientId of [...added, ...updated]) {
      if (clientId === awareness.clientID) continue
      // What others send is theirs; that it has the caller's shape is the caller's claim.
      const presence = awareness.getStates().get(clientId) as Partial<P>
      const other = { clientId, user: users.get(clientId) ?? null, idle: isIdle(presence), presence }
      notices.push([members.has(clientId) ? 'update' : 'join', other])
      members.set(clientId, other)
    }
    for (const clientId of removed) {
      const other = members.get(clientId)
      if (!other) continue
      notices.push(['leave', other])
      members.delete(clientId)
      // Told again when it returns (P58); not when this awareness alone has dropped it, as one not renewed.
      if (origin === remote) users.delete(clientId)
    }
    if (notices.length === 0) return
    others = [...members.values()]
    changed()
    for (const [event, other] of notices) emitter.emit(event, other)
    emitter.emit('changed', undefined)
  }

  const listen = (how: 'on' | 'off'): void => {
    awareness[how]('update', onUpdate)
    awareness[how]('change', onChange)
    awareness.doc[how]('update', onEdit)
  }

  const unbind = (): void => {
    joined = false
    stopWaiting()
    listen('off')
    awareness.destroy()
  }

  /**
   * The own entry of a PRESENCES frame (P33) is an echo: under a clock that the server raised it would overwrite what
   * was set since. With that clock taken over first it says nothing new.
   */
  const liftClock = (update: Uint8Array): void => {
    const decoder = decoding.createDecoder(update)
    for (let left = decoding.readVarUint(decoder); left > 0; left--) {
      const clientId = decoding.readVarUint(decoder)
      const clock = decoding.readVarUint(decoder)
      const isGone = decoding.readVarString(decoder) === 'null'
      const meta = awareness.meta.get(awareness.clientID)
      if (clientId !== awareness.clientID || !meta || clock < meta.clock) continue
      meta.clock = clock
      // Somebody said that this client has gone: say that it is here, under a newer clock.
      const state = own()
      if (isGone && state) show(state)
    }
  }

  const setIdle = (idle: boolean): void => {
    const state = own()
    if (!state || isIdle(state) === idle) return
    const shown = { ...state }
    delete shown['idle']
    show(idle ? { ...shown, idle } : shown)
  }

  listen('on')
  setIdle(client.idle.idle)

  return {
    get awareness() {
      return awareness
    },
    get others() {
      return others
    },
    get idle() {
      return isIdle(own())
    },
    get: () => (own() ?? {}) as Partial<P>,
    set: (partial) => {
      client.idle.activity()
      show({ ...own(), ...partial })
    },
    on: emitter.on,
    subscribe: (selector, listener, isEqual = Object.is) => {
      let selected = selector(others)
      return emitter.on('changed', () => {
        const previous = selected
        const next = selector(others)
        if (isEqual(previous, next)) return
        selected = next
        listener(next, previous)
      })
    },
    setIdle,
    receiveUsers: (told) => {
      const updated: number[] = []
      for (const [id, user] of told) {
        users.set(id, user)
        const member = members.get(id)
        if (member && member.user !== user) updated.push(id)
      }
      onChange({ added: [], updated, removed: [] }, remote)
    },
    up: () => {
      const state = own()
      // A newer clock than before the connection was lost: the others have seen this id go since then.
      if (state) show(state)
      joined = true
      if (state) sendNow()
    },
    down: () => {
      joined = false
      stopWaiting()
      const { meta, clientID } = awareness
      const ids = [...meta.keys()].filter((id) => id !== clientID)
      removeAwarenessStates(awareness, ids, remote)
      // With their clocks: one who comes back unchanged would have no newer clock, and stay invisible.
      for (const id of ids) meta.delete(id)
      users.clear()
    },
    receive: (update) => {
      liftClock(update)
      applyAwarenessUpdate(awareness, update, remote)
    },
    rebind: (next) => {
      const state = own()
      unbind()
      awareness = next
      show(state)
      listen('on')
      onChange({ added: [], updated: [], removed: [...members.keys()] }, remote)
    },
    destroy: () => {
      unbind()
      emitter.clear()
    },
  }
}

const isIdle = (state: object | null): boolean => (state as { idle?: unknown } | null)?.idle === true
