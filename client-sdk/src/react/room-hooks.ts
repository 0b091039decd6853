/* The hooks on one room. What components call are these with the room of their provider: see room-context.tsx. */
import { useCallback, useEffect, useMemo, useRef, useSyncExternalStore } from 'react'
import type * as Y from 'yjs'
import type { Unsubscribe } from '../emitter.js'
import type { DurableEvent } from '../event-types.js'
import type { Broadcast, Other, Room, RoomStatus } from '../types.js'
import { viewOf, type SharedPair, type SharedRoot } from './snapshot.js'
import { syncStateOf } from './sync-state.js'
import { useSelection } from './use-selection.js'

/** A room of which only the presence matters. */
interface PresenceRoom<P extends object> extends Pick<Room<P>, 'presence' | 'awareness'> {
  readonly on: Room['on']
}
type DocRoom = Pick<Room, 'doc' | 'on'>

/** How much is saved. */
export interface Saved {
  /** Whether every local change is committed in the server's database. */
  readonly saved: boolean
  /** Local changes that are not. */
  readonly unsaved: number
}

export const useRoomStatus = (room: Pick<Room, 'status' | 'on'>): RoomStatus => {
  const subscribe = useCallback((changed: () => void) => room.on('status', changed), [room])
  const get = useCallback(() => room.status, [room])
  return useSyncExternalStore(subscribe, get, get)
}

export const useRoomSaved = (room: Pick<Room, 'unsaved' | 'on'>): Saved => {
  const subscribe = useCallback((changed: () => void) => room.on('unsaved', changed), [room])
  const get = useCallback(() => room.unsaved, [room])
  const unsaved = useSyncExternalStore(subscribe, get, get)
  return useMemo(() => ({ saved: unsaved === 0, unsaved }), [unsaved])
}

export const useRoomSynced = (room: Pick<Room, 'status' | 'synced' | 'on'>): boolean => {
  const state = syncStateOf(room)
  const subscribe = useCallback((changed: () => void) => state.subscribe(changed), [state])
  const get = useCallback(() => state.synced, [state])
  return useSyncExternalStore(subscribe, get, get)
}

/** Suspends until the first full state is here. @throws what `room.synced()` rejects with */
export const useRoomWhenSynced = (room: Pick<Room, 'status' | 'synced' | 'on'>): void => {
  if (useRoomSynced(room)) return
  const state = syncStateOf(room)
  // A promise that is thrown is how a component suspends, in React 18 and 19 alike.
  // eslint-disable-next-line @typescript-eslint/only-throw-error
  throw state.error ?? state.wait()
}

export const useRoomDoc = (room: DocRoom): Y.Doc => {
  const subscribe = useCallback((changed: () => void) => room.on('reset', changed), [room])
  const get = useCallback(() => room.doc, [room])
  return useSyncExternalStore(subscribe, get, get)
}

export const useRoomPresence = <P extends object>(room: PresenceRoom<P>): Readonly<Partial<P>> => {
  const subscribe = useCallback((changed: () => void) => onOwnPresence(room, changed), [room])
  const get = useCallback(() => ownPresence(room), [room])
  return useSyncExternalStore(subscribe, get, get)
}

export const useRoomOthers = <P extends object, S>(
  room: PresenceRoom<P>,
  selector: (others: readonly Other<P>[]) => S,
  isEqual: (a: S, b: S) => boolean,
): S => {
  const subscribe = useCallback((changed: () => void) => room.on('presence', changed), [room])
  const get = useCallback(() => room.presence.others, [room])
  return useSelection(subscribe, get, selector, isEqual)
}

/** A root type of the room's document; `open` names it, and is the same function while the name is. */
export const useRoomShared = <T extends SharedRoot>(
  room: DocRoom,
  open: (doc: Y.Doc) => T,
): SharedPair<T> => {
  const subscribe = useCallback(
    (changed: () => void): Unsubscribe => {
      let unsubscribe = viewOf(open(room.doc)).subscribe(changed)
      const offReset = room.on('reset', ({ doc }) => {
        unsubscribe()
        unsubscribe = viewOf(open(doc)).subscribe(changed)
        changed()
      })
      return () => {
        offReset()
        unsubscribe()
      }
    },
    [room, open],
  )
  const get = useCallback(() => viewOf(open(room.doc)).get(), [room, open])
  return useSyncExternalStore(subscribe, get, get)
}

export const useRoomEvent = <Events extends object, Name extends keyof Events & string>(
  room: Pick<Room<Record<string, unknown>, Events>, 'events'>,
  name: Name,
  handler: (event: DurableEvent<Name, Events[Name]>) => void,
): void => {
  const latest = useLatest(handler)
  useEffect(() => room.events.on(name, (event) => latest.current(event)), [room, name, latest])
}

export const useRoomBroadcasts = <Broadcasts extends object, Name extends keyof Broadcasts & string>(
  room: Pick<Room<Record<string, unknown>, Record<string, unknown>, Broadcasts>, 'onBroadcast'>,
  name: Name,
  handler: (message: Broadcast<Name, Broadcasts[Name]>) => void,
): void => {
  const latest = useLatest(handler)
  useEffect(() => room.onBroadcast(name, (message) => latest.current(message)), [room, name, latest])
}

/** Lets a subscription call the handler of the last render: a new function must not subscribe anew and miss events. */
const useLatest = <T>(value: T): { readonly current: T } => {
  const latest = useRef(value)
  useEffect(() => {
    latest.current = value
  }, [value])
  return latest
}

const nothing: object = {}

const ownPresence = <P extends object>(room: PresenceRoom<P>): Readonly<Partial<P>> =>
  // Of a room that was left, `get()` makes a new object each time.
  room.awareness.getLocalState() === null ? (nothing as Partial<P>) : room.presence.get()

const onOwnPresence = (room: Pick<Room, 'awareness' | 'on'>, changed: () => void): Unsubscribe => {
  let { awareness } = room
  awareness.on('change', changed)
  const offReset = room.on('reset', (reset) => {
    awareness.off('change', changed)
    awareness = reset.awareness
    awareness.on('change', changed)
    changed()
  })
  return () => {
    offReset()
    awareness.off('change', changed)
  }
}
