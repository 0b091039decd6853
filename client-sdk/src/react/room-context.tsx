/* A room for the components below a provider, and the hooks that know its shapes. */
import { createContext, useCallback, useContext, type ReactNode } from 'react'
import type * as Y from 'yjs'
import { shallowEqual } from '../equality.js'
import type { DurableEvent } from '../event-types.js'
import type { Broadcast, Other, Room, RoomStatus } from '../types.js'
import {
  useRoomBroadcasts,
  useRoomDoc,
  useRoomEvent,
  useRoomOthers,
  useRoomPresence,
  useRoomSaved,
  useRoomShared,
  useRoomStatus,
  useRoomSynced,
  useRoomWhenSynced,
  type Saved,
} from './room-hooks.js'
import type { SharedPair } from './snapshot.js'
import { useEntered } from './use-entered.js'

/** Props of a `RoomProvider`: the name of a room to enter, or a room that was entered by `useRoom(name)`. */
export type RoomProviderProps<
  Presence extends object,
  Events extends object = Record<string, unknown>,
  Broadcasts extends object = Record<string, unknown>,
> = { readonly children?: ReactNode } & (
  | {
      /** The room. Another name leaves this room and enters that one; what is below starts anew. */
      readonly name: string
      /** What this client shows from the start. Later changes of the prop have no effect: `useSetPresence`. */
      readonly presence?: Readonly<Partial<Presence>>
      /** Shown until the room is entered: on a server, and for the first moment in a browser. Default: nothing. */
      readonly fallback?: ReactNode
      readonly room?: undefined
    }
  | {
      /** Neither entered nor left by the provider. One of another name starts what is below anew. */
      readonly room: Room<Presence, Events, Broadcasts>
    }
)

/** Options of `useRoom(name)`. */
export interface RoomUseOptions<Presence extends object> {
  /** What this client shows from the start. Later changes have no effect: `room.presence.set`. */
  readonly presence?: Readonly<Partial<Presence>>
}

/** `useRoom` of a {@link RoomContext}. */
export interface UseRoom<Presence extends object, Events extends object, Broadcasts extends object> {
  /** The room of the provider. It stays the same object; render what changes by the other hooks. */
  (): Room<Presence, Events, Broadcasts>
  /**
   * Enters a room while the component is mounted, without a provider, and counted with those who do the same. Null until it
   * is entered (on a server, and for the first moment in a browser), and with the name null. Give it to a `RoomProvider` for
   * the other hooks.
   * @throws {WeftError} into the nearest error boundary: `invalid_room_name`, `client_closed`
   */
  (name: string | null, options?: RoomUseOptions<Presence>): Room<Presence, Events, Broadcasts> | null
}

/** `useOthers` of a {@link RoomContext}. */
export interface UseOthers<Presence extends object> {
  (): readonly Other<Presence>[]
  <S>(selector: (others: readonly Other<Presence>[]) => S, isEqual?: (a: S, b: S) => boolean): S
}

/** A provider and its hooks. Each hook throws outside of its provider. */
export interface RoomContext<Presence extends object, Events extends object, Broadcasts extends object> {
  /**
   * Enters a room, and leaves it when it goes. Entered by several, the room is left with the last of them; one that comes
   * back at once (strict mode, a move in the tree) finds its room as it was.
   * @throws {WeftError} into the nearest error boundary: `invalid_room_name`, `client_closed`
   */
  RoomProvider: (props: RoomProviderProps<Presence, Events, Broadcasts>) => ReactNode
  useRoom: UseRoom<Presence, Events, Broadcasts>
  /** What the room is doing. */
  useStatus: () => RoomStatus
  /** Whether everything is saved, and how many changes are not. */
  useSaved: () => Saved
  /** Whether the room's state is here. True from the first sync on, also offline; false again after a reset, until the next. */
  useSynced: () => boolean
  /**
   * The room, as soon as its state is here: suspends until then.
   * @throws {WeftError} into the nearest error boundary, when the room is refused
   */
  useSyncedRoom: () => Room<Presence, Events, Broadcasts>
  /** The document to bind an editor to. Another one after a reset: bind in an effect that depends on it. */
  useDoc: () => Y.Doc
  /** What this client shows, and the function that changes some of it. */
  usePresence: () => readonly [Readonly<Partial<Presence>>, (partial: Readonly<Partial<Presence>>) => void]
  /** Changes what this client shows, without rendering when it changes. The function stays the same. */
  useSetPresence: () => (partial: Readonly<Partial<Presence>>) => void
  /**
   * The others, or something about them. With a selector it renders again only when the selection changes: a moving cursor
   * bothers only those who select it. `isEqual` is by default `shallowEqual`, for which arrays and objects with the same
   * items are equal.
   */
  useOthers: UseOthers<Presence>
  /** Hears the durable events of a name, own ones too, while mounted: in seq order, each once. */
  useEvent: <Name extends keyof Events & string>(
    name: Name,
    handler: (event: DurableEvent<Name, Events[Name]>) => void,
  ) => void
  /** Appends durable events of a name. The function stays the same. See `room.events.append`. */
  useAppend: <Name extends keyof Events & string>(
    name: Name,
  ) => (payload: Events[Name]) => Promise<{ readonly seq: number }>
  /** Hears what others broadcast under a name, while mounted. */
  useOnBroadcast: <Name extends keyof Broadcasts & string>(
    name: Name,
    handler: (message: Broadcast<Name, Broadcasts[Name]>) => void,
  ) => void
  /** Sends ephemeral messages of a name; false when one was dropped. The function stays the same. */
  useBroadcast: <Name extends keyof Broadcasts & string>(name: Name) => (payload: Broadcasts[Name]) => boolean
  /** The text under a name of the document, as a string, and the type to edit it with. */
  useSharedText: (name: string) => SharedPair<Y.Text>
  /**
   * The map under a name of the document, as a plain object, and the type to edit it with. Shared types inside are plain
   * too; a part that has not changed is the same object as before. `V` is the caller's claim about what is in it.
   */
  useSharedMap: <V = unknown>(name: string) => SharedPair<Y.Map<V>>
  /** The array under a name of the document; otherwise as `useSharedMap`. */
  useSharedArray: <V = unknown>(name: string) => SharedPair<Y.Array<V>>
}

/**
 * Makes a provider and hooks for rooms of one kind. Call it once per kind, outside of any component; rooms of several kinds
 * may be nested, each reached by its own hooks.
 *
 * ```ts
 * export const { RoomProvider, useOthers, useSharedText } = createRoomContext<Presence, Events>()
 * ```
 */
export const createRoomContext = <
  Presence extends object = Record<string, unknown>,
  Events extends object = Record<string, unknown>,
  Broadcasts extends object = Record<string, unknown>,
>(): RoomContext<Presence, Events, Broadcasts> => {
  type SharedRoom = Room<Presence, Events, Broadcasts>
  type Others = readonly Other<Presence>[]
  const Context = createContext<SharedRoom | null>(null)

  const RoomProvider = (props: RoomProviderProps<Presence, Events, Broadcasts>): ReactNode => {
    const given = props.room
    const own = given === undefined ? props : null
    const entered = useEntered<Presence, Events, Broadcasts>(own?.name ?? null, own?.presence)
    const room = given ?? entered
    if (room === null) return own?.fallback ?? null
    return (
      <Context.Provider key={room.name} value={room}>
        {props.children}
      </Context.Provider>
    )
  }

  const useProvided = (): SharedRoom => orThrow(useContext(Context))

  function useRoom(): SharedRoom
  function useRoom(name: string | null, options?: RoomUseOptions<Presence>): SharedRoom | null
  function useRoom(name?: string | null, options: RoomUseOptions<Presence> = {}): SharedRoom | null {
    const provided = useContext(Context)
    const entered = useEntered<Presence, Events, Broadcasts>(name ?? null, options.presence)
    return name === undefined ? orThrow(provided) : entered
  }

  const useSetPresence = (): ((partial: Readonly<Partial<Presence>>) => void) => {
    const room = useProvided()
    return useCallback((partial: Readonly<Partial<Presence>>) => room.presence.set(partial), [room])
  }

  function useOthers(): Others
  function useOthers<S>(selector: (others: Others) => S, isEqual?: (a: S, b: S) => boolean): S
  function useOthers(
    selector: (others: Others) => unknown = everything,
    isEqual: (a: unknown, b: unknown) => boolean = shallowEqual,
  ): unknown {
    return useRoomOthers(useProvided(), selector, isEqual)
  }

  return {
    RoomProvider,
    useRoom,
    useSetPresence,
    useOthers,
    useStatus: () => useRoomStatus(useProvided()),
    useSaved: () => useRoomSaved(useProvided()),
    useSynced: () => useRoomSynced(useProvided()),
    useSyncedRoom: () => {
      const room = useProvided()
      useRoomWhenSynced(room)
      return room
    },
    useDoc: () => useRoomDoc(useProvided()),
    usePresence: () => [useRoomPresence(useProvided()), useSetPresence()],
    useEvent: (name, handler) => useRoomEvent(useProvided(), name, handler),
    useAppend: (name) => {
      const room = useProvided()
      return useCallback((payload) => room.events.append(name, payload), [room, name])
    },
    useOnBroadcast: (name, handler) => useRoomBroadcasts(useProvided(), name, handler),
    useBroadcast: (name) => {
      const room = useProvided()
      return useCallback((payload) => room.broadcast(name, payload), [room, name])
    },
    useSharedText: (name) =>
      useRoomShared(
        useProvided(),
        useCallback((doc) => doc.getText(name), [name]),
      ),
    useSharedMap: <V,>(name: string): SharedPair<Y.Map<V>> =>
      useRoomShared(
        useProvided(),
        useCallback((doc: Y.Doc) => doc.getMap<V>(name), [name]),
      ),
    useSharedArray: <V,>(name: string): SharedPair<Y.Array<V>> =>
      useRoomShared(
        useProvided(),
        useCallback((doc: Y.Doc) => doc.getArray<V>(name), [name]),
      ),
  }
}

const orThrow = <R,>(room: R | null): R => {
  if (room === null) throw new Error('weft: this component needs its <RoomProvider> above it')
  return room
}

const everything = <T,>(others: T): T => others
