import { expect, expectTypeOf, test } from 'vitest'
import type { ReactNode } from 'react'
import type * as Y from 'yjs'
import type { Other, Room } from '../types.js'
import { createRoomContext } from './index.js'

interface Shown {
  readonly cursor: { readonly x: number; readonly y: number } | null
  readonly name: string
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
  useSyncedRoom,
} = createRoomContext<Shown, Sent, Waved>()
const others = createRoomContext<{ readonly age: number }>()

/** Compiled, never rendered: the errors are the test. */
const Compiles = (): ReactNode => {
  expectTypeOf(useRoom()).toEqualTypeOf<Room<Shown, Sent, Waved>>()
  expectTypeOf(useRoom('a', { presence: { name: 'Ada' } })).toEqualTypeOf<Room<Shown, Sent, Waved> | null>()
  expectTypeOf(useRoom(null)).toEqualTypeOf<Room<Shown, Sent, Waved> | null>()
  expectTypeOf(useSyncedRoom()).toEqualTypeOf<Room<Shown, Sent, Waved>>()
  // @ts-expect-error -- a name is a string
  useRoom(1)
  // @ts-expect-error -- which room is not known: null says that there is none
  useRoom(undefined as string | undefined)
  // @ts-expect-error -- a presence of another shape
  useRoom('a', { presence: { age: 1 } })

  expectTypeOf(useOthers()).toEqualTypeOf<readonly Other<Shown>[]>()
  expectTypeOf(useOthers((all) => all.map(({ presence }) => presence.name))).toEqualTypeOf<
    (string | undefined)[]
  >()
  expectTypeOf(useOthers((all) => all.length)).toBeNumber()
  useOthers((all) => {
    // @ts-expect-error -- nobody shows an age
    expectTypeOf(all[0]?.presence.age)
    return null
  })
  const [presence, setPresence] = usePresence()
  expectTypeOf(presence.name).toEqualTypeOf<string | undefined>()
  setPresence({ cursor: { x: 1, y: 2 } })
  // @ts-expect-error -- a nested field of another type
  setPresence({ cursor: { x: 1 } })
  // @ts-expect-error -- a field that is not part of the presence
  useSetPresence()({ colour: 'red' })

  useEvent('said', ({ payload, seq, name }) => {
    expectTypeOf(payload).toEqualTypeOf<{ readonly text: string }>()
    expectTypeOf(seq).toBeNumber()
    expectTypeOf(name).toEqualTypeOf<'said'>()
  })
  // @ts-expect-error -- an event that the room does not have
  useEvent('sayd', () => undefined)
  // @ts-expect-error -- a broadcast is no event
  useEvent('wave', () => undefined)
  expectTypeOf(useAppend('said')({ text: 'hi' })).toEqualTypeOf<Promise<{ readonly seq: number }>>()
  // @ts-expect-error -- an event that the room does not have
  useAppend('sayd')
  // @ts-expect-error -- a payload of another shape
  void useAppend('said')({ txt: 'hi' })
  // @ts-expect-error -- a payload is needed
  void useAppend('said')()
  useOnBroadcast('wave', ({ payload }) => expectTypeOf(payload).toBeNumber())
  expectTypeOf(useBroadcast('wave')(1)).toBeBoolean()
  // @ts-expect-error -- a broadcast of another shape
  useBroadcast('wave')('hello')
  // @ts-expect-error -- an event is no broadcast
  useOnBroadcast('said', () => undefined)

  expectTypeOf(useDoc()).toEqualTypeOf<Y.Doc>()
  expectTypeOf(useSaved()).toEqualTypeOf<{ readonly saved: boolean; readonly unsaved: number }>()
  const [title, text] = useSharedText('title')
  expectTypeOf(title).toBeString()
  expectTypeOf(text).toEqualTypeOf<Y.Text>()
  const [items] = useSharedArray<Y.Map<string>>('items')
  expectTypeOf(items).toEqualTypeOf<readonly { readonly [key: string]: string }[]>()
  // @ts-expect-error -- what is rendered is not to be written to
  items[0] = {}
  const [options, map] = useSharedMap<number>('options')
  expectTypeOf(options).toEqualTypeOf<{ readonly [key: string]: number }>()
  expectTypeOf(map).toEqualTypeOf<Y.Map<number>>()

  return (
    <>
      <RoomProvider name="a" presence={{ name: 'Ada' }} fallback={<p />} />
      <RoomProvider room={useRoom()} />
      {/* @ts-expect-error -- a presence of another shape */}
      <RoomProvider name="a" presence={{ age: 1 }} />
      {/* @ts-expect-error -- a name or a room is needed */}
      <RoomProvider />
      {/* @ts-expect-error -- a room of other shapes */}
      <RoomProvider room={others.useRoom()} />
      {/* @ts-expect-error -- who has entered has said what is shown, and where */}
      <RoomProvider room={useRoom()} name="a" />
    </>
  )
}

test('wrong shapes do not compile', () => {
  expect(Compiles).toBeTypeOf('function')
})
