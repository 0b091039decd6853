/* An application with every hook, for the tests in a real browser. It shows what the hooks say, and counts renders. */
import {
  Component,
  memo,
  startTransition,
  StrictMode,
  Suspense,
  useEffect,
  useState,
  type ReactNode,
} from 'react'
import { hydrateRoot } from 'react-dom/client'
import * as Y from 'yjs'
import { createClient } from '../../client.js'
import type { Room } from '../../types.js'
import { WeftProvider, createRoomContext, useConnection, type Snapshot } from '../index.js'

interface Shown {
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
const renders: Record<string, number> = {}
const count = (what: string): void => {
  renders[what] = (renders[what] ?? 0) + 1
}

/** What the hooks of the mounted application gave, for the test to call. */
interface Hands {
  readonly room: Room<Shown, Sent, Waved>
  readonly show: (presence: Partial<Shown>) => void
  readonly say: (said: { readonly text: string }) => Promise<{ readonly seq: number }>
  readonly wave: (n: number) => boolean
  readonly title: Y.Text
  readonly items: Y.Array<Y.Map<string>>
  readonly options: Y.Map<number>
}

let hands: Hands | null = null
let show: (place: Place) => void = () => undefined

/** Where the application is: in rooms, or in none; `stuck` is a transition that never ends. */
interface Place {
  readonly rooms: readonly string[]
  readonly stuck?: boolean
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
  const add = (line: string): void => setLines((before) => [...before, line])
  useEvent('said', ({ payload, own }) => add(`${payload.text}${own ? '!' : ''}`))
  useOnBroadcast('wave', ({ payload }) => add(`wave ${payload}`))
  return <Line id="log">{lines.join()}</Line>
}

const Reach = (): ReactNode => {
  const [, items] = useSharedArray<Y.Map<string>>('items')
  const [, title] = useSharedText('title')
  const [, options] = useSharedMap<number>('options')
  const reach: Hands = {
    room: useRoom(),
    show: useSetPresence(),
    say: useAppend('said'),
    wave: useBroadcast('wave'),
    title,
    items,
    options,
  }
  // Which document an editor would be bound to.
  const doc = useDoc()
  useEffect(() => {
    hands = reach
  })
  return <Line id="bound">{String(doc === reach.room.doc && doc === title.doc)}</Line>
}

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

const App = ({ first, name }: { readonly first: Place; readonly name: string }): ReactNode => {
  const [{ rooms, stuck }, setPlace] = useState(first)
  useEffect(() => {
    show = setPlace
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
              <Body />
            </RoomProvider>
          </Boundary>
        </section>
      ))}
      {stuck === true && <Forever />}
    </Suspense>
  )
}

interface MountOptions {
  readonly url: string
  readonly rooms: readonly string[]
  readonly name: string
}

const mount = ({ url, rooms, name }: MountOptions): void => {
  const client = createClient({
    url,
    timing: { retryBase: 50, retryMax: 200 },
    logger: { warn: () => undefined, error: () => undefined },
  })
  const root = document.createElement('main')
  // What a server renders: see react.test.tsx.
  root.innerHTML = `<!--$-->${rooms.map(() => '<section><p>entering</p></section>').join('')}<!--/$-->`
  document.body.append(root)
  hydrateRoot(
    root,
    <StrictMode>
      <WeftProvider client={client}>
        <App first={{ rooms }} name={name} />
      </WeftProvider>
    </StrictMode>,
  )
  const at = (): Hands => {
    if (hands === null) throw new Error('the application is not in a room')
    return hands
  }
  Object.assign(window, {
    app: {
      client,
      renders,
      go: (...to: string[]) => show({ rooms: to }),
      /** Renders rooms in a transition that never ends. */
      goAndHang: (...to: string[]) => startTransition(() => show({ rooms: to, stuck: true })),
      show: (presence: Partial<Shown>) => at().show(presence),
      say: (text: string) => at().say({ text }),
      wave: (n: number) => at().wave(n),
      type: (text: string) => at().title.insert(0, text),
      add: (...texts: string[]) => at().items.push(texts.map((text) => new Y.Map([['text', text]]))),
      rename: (index: number, text: string) => at().items.get(index).set('text', text),
      option: (key: string, value: number) => at().options.set(key, value),
    },
  })
}

Object.assign(window, { mount })
