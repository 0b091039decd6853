/* An application with every hook, for the tests: rendered on a server, and in a real browser. It shows what the hooks say, and
 * counts renders. */
import { Component, memo, StrictMode, Suspense, useEffect, useState, type ReactNode } from 'react'
import * as Y from 'yjs'
import type { Client, Room } from '../../types.js'
import { WeftProvider, createRoomContext, useConnection, type Snapshot } from '../index.js'

export interface Shown {
  readonly name: string
  readonly cursor: number
}
interface Sent {
  readonly said: { readonly text: string }
}
interface Waved {
  readonly wave: number
}

const {
  RoomProvider,
  useAppend,
  useBroadcast,
  useDoc,
  useEvent,
  useOnBroadcast,
  useOthers,
  usePresence,
  useRoom,
  useSaved,
  useSetPresence,
  useSharedArray,
  useSharedMap,
  useSharedText,
  useStatus,
  useSynced,
  useSyncedRoom,
} = createRoomContext<Shown, Sent, Waved>()

/** Renders of each component; strict mode renders twice each time. */
export const renders: Record<string, number> = {}
const count = (what: string): void => {
  renders[what] = (renders[what] ?? 0) + 1
}

/** What the hooks of the mounted application gave, for the test to call. */
export interface Hands {
  readonly room: Room<Shown, Sent, Waved>
  readonly show: (presence: Partial<Shown>) => void
  readonly say: (said: { readonly text: string }) => Promise<{ readonly seq: number }>
  readonly wave: (n: number) => boolean
  readonly title: Y.Text
  readonly items: Y.Array<Y.Map<string>>
  readonly options: Y.Map<number>
}

/** Where the test reaches in. */
export const reach: { hands: Hands | null; go: (place: Place) => void } = { hands: null, go: () => undefined }

/** Where the application is: in rooms, or in none; `stuck` is a transition that never ends. */
export interface Place {
  readonly rooms: readonly string[]
  /** Rooms that are entered by their names, without a provider above: one component for each. */
  readonly byName?: readonly string[]
  /** Two rooms, of which one is shown. */
  readonly pair?: readonly [string, string]
  readonly stuck?: boolean
  /** Without what suspends, whose coming back would render everything. */
  readonly calm?: boolean
}

const Line = ({ id, children }: { readonly id: string; readonly children: ReactNode }): ReactNode => (
  <p id={id}>{children}</p>
)

const State = (): ReactNode => {
  const { saved, unsaved } = useSaved()
  return (
    <>
      <Line id="connection">{useConnection().status}</Line>
      <Line id="status">{useStatus()}</Line>
      <Line id="synced">{String(useSynced())}</Line>
      <Line id="saved">{saved ? 'saved' : `${unsaved} unsaved`}</Line>
    </>
  )
}

const Names = (): ReactNode => {
  count('names')
  // A new array each time: equal ones must not render.
  const names = useOthers((others) => others.map(({ presence }) => presence.name ?? '?'))
  return <Line id="names">{[...names].sort().join()}</Line>
}

const Cursors = (): ReactNode => {
  count('cursors')
  return (
    <Line id="cursors">
      {useOthers()
        .map(({ presence }) => presence.cursor ?? '-')
        .join()}
    </Line>
  )
}

const Own = (): ReactNode => {
  const [presence, setPresence] = usePresence()
  return (
    <button id="own" onClick={() => setPresence({ cursor: (presence.cursor ?? 0) + 1 })}>
      {JSON.stringify(presence)}
    </button>
  )
}

const Item = memo(({ item }: { readonly item: Snapshot<Y.Map<string>> }) => {
  count(`item ${item['text'] ?? ''}`)
  return <li>{item['text']}</li>
})

const Shared = (): ReactNode => {
  const [title] = useSharedText('title')
  const [items] = useSharedArray<Y.Map<string>>('items')
  const [options] = useSharedMap<number>('options')
  return (
    <>
      <Line id="title">{title}</Line>
      <ul id="items">
        {items.map((item) => (
          <Item key={item['text']} item={item} />
        ))}
      </ul>
      <Line id="options">{JSON.stringify(options)}</Line>
    </>
  )
}

const Log = (): ReactNode => {
  const [lines, setLines] = useState<readonly string[]>([])
  // The handlers are others at each render: that of the last one is to be called.
  const [mark, setMark] = useState('')
  const add = (line: string): void => setLines((before) => [...before, `${mark}${line}`])
  useEvent('said', ({ payload, own }) => add(`${payload.text}${own ? '!' : ''}`))
  useOnBroadcast('wave', ({ payload }) => add(`wave ${payload}`))
  return (
    <>
      <button id="mark" onClick={() => setMark('*')}>
        {mark}
      </button>
      <Line id="log">{lines.join()}</Line>
    </>
  )
}

const Reach = (): ReactNode => {
  const [, items] = useSharedArray<Y.Map<string>>('items')
  const [, title] = useSharedText('title')
  const [, options] = useSharedMap<number>('options')
  const reached: Hands = {
    room: useRoom(),
    show: useSetPresence(),
    say: useAppend('said'),
    wave: useBroadcast('wave'),
    title,
    items,
    options,
  }
  useEffect(() => {
    reach.hands = reached
  })
  return null
}

/** Which document an editor would be bound to. */
const Bound = (): ReactNode => <Line id="bound">{useDoc().guid}</Line>

const Waiting = (): ReactNode => {
  count('waiting')
  return <Line id="waiting">waiting</Line>
}

const Body = (): ReactNode => {
  const room = useSyncedRoom()
  return <Line id="body">{`the state of ${room.name} is here: ${useSharedText('title')[0]}`}</Line>
}

class Boundary extends Component<{ readonly children: ReactNode }, { readonly error: string | null }> {
  override state: { readonly error: string | null } = { error: null }
  static getDerivedStateFromError = (error: unknown): { readonly error: string } => ({
    error: error instanceof Error && 'code' in error ? String(error.code) : String(error),
  })
  override render(): ReactNode {
    return this.state.error === null ? this.props.children : <Line id="error">{this.state.error}</Line>
  }
}

const Forever = (): ReactNode => {
  // eslint-disable-next-line @typescript-eslint/only-throw-error -- suspends, and never comes back
  throw new Promise(() => undefined)
}

/** A room without a provider of its own. */
const ByName = ({ room: name, guest }: { readonly room: string; readonly guest: string }): ReactNode => {
  const room = useRoom(name, { presence: { name: guest } })
  if (room === null) return <Line id="named">entering</Line>
  if (room.name !== name) throw new Error(`${room.name} is not ${name}`)
  return (
    <RoomProvider room={room}>
      <Named />
    </RoomProvider>
  )
}

/** Shows one of two rooms; a provider goes from one to another at once. */
const OneOf = ({ rooms }: { readonly rooms: readonly [string, string] }): ReactNode => {
  const [first, second] = [useRoom(rooms[0]), useRoom(rooms[1])]
  const [turned, turn] = useState(false)
  const room = turned ? second : first
  return (
    <>
      <button id="turn" onClick={() => turn(!turned)} />
      {room !== null && (
        <RoomProvider room={room}>
          <Named />
        </RoomProvider>
      )}
    </>
  )
}

const Named = (): ReactNode => {
  const room = useRoom()
  const [first] = useState(room)
  if (first !== room) throw new Error(`${room.name} is below the provider of ${first.name}`)
  return <Line id="named">{`${room.name} ${useStatus()} ${useSharedText('title')[0]}`}</Line>
}

/** By itself: what changes above a boundary that React 18 is still taking over makes it render that anew. */
const Transport = (): ReactNode => <Line id="transport">{useConnection().status}</Line>

const Places = ({ first, name }: { readonly first: Place; readonly name: string }): ReactNode => {
  const [{ rooms, byName = [], pair, stuck, calm }, setPlace] = useState(first)
  // None is entered by the name null, and nothing changes.
  const nowhere = useRoom(null)
  useEffect(() => {
    reach.go = setPlace
  }, [])
  return (
    // The boundary above the providers: what suspends below them must not make them leave.
    <Suspense fallback={<Waiting />}>
      {rooms.map((room) => (
        <section key={room}>
          <Boundary>
            <RoomProvider name={room} presence={{ name }} fallback={<p>entering</p>}>
              <State />
              <Names />
              <Cursors />
              <Own />
              <Shared />
              <Log />
              <Reach />
              <Bound />
              {calm !== true && <Body />}
            </RoomProvider>
          </Boundary>
        </section>
      ))}
      {byName.map((room, at) => (
        <ByName key={at} room={room} guest={name} />
      ))}
      {pair !== undefined && <OneOf rooms={pair} />}
      {nowhere !== null && <Line id="error">in no room</Line>}
      {stuck === true && <Forever />}
      <Transport />
    </Suspense>
  )
}

export const App = (props: {
  readonly client: Client
  readonly first: Place
  readonly name: string
}): ReactNode => (
  <StrictMode>
    <WeftProvider client={props.client}>
      <Places first={props.first} name={props.name} />
    </WeftProvider>
  </StrictMode>
)
