import { expect, expectTypeOf, test } from 'vitest'
import type { Access } from '@weft/protocol'
import type { Client, Other, Rejection, Room } from './types.js'

interface Shown {
  readonly cursor: { readonly x: number; readonly y: number } | null
  readonly name: string
}

/** Compiled, never called: the errors are the test. */
const compiles = (client: Client): void => {
  const room = client.room<Shown, { comment: { text: string } }>('a')
  room.presence.set({ cursor: { x: 1, y: 2 } })
  room.presence.set({ name: 'Ada' })
  // @ts-expect-error -- a field of another type
  room.presence.set({ name: 1 })
  // @ts-expect-error -- a field that is not part of the presence
  room.presence.set({ colour: 'red' })
  // @ts-expect-error -- a nested field of another type
  room.presence.set({ cursor: { x: 1 } })
  // @ts-expect-error -- an event that does not exist
  room.on('savd', () => undefined)
  // @ts-expect-error -- a listener for another payload
  room.on('unsaved', (count: string) => count)
  // @ts-expect-error -- not to be replaced
  room.doc = room.doc
  // @ts-expect-error -- an event of rooms, not of clients
  client.on('synced', () => undefined)
  // @ts-expect-error -- a name is needed
  client.room()
  // @ts-expect-error -- rooms of other shapes are other types
  const other: Room<{ age: number }> = client.room<Shown>('a')
  expectTypeOf(other).toBeObject()

  expectTypeOf(room.presence.others).toEqualTypeOf<readonly Other<Shown>[]>()
  expectTypeOf(room.presence.get().name).toEqualTypeOf<string | undefined>()
  expectTypeOf(room.access).toEqualTypeOf<Access | null>()
  room.on('rejected', (rejection) => expectTypeOf(rejection).toEqualTypeOf<Rejection>())
  room.on('presence', (others) => expectTypeOf(others[0]?.presence.name).toEqualTypeOf<string | undefined>())
  room.on('saved', () => undefined)
  client.on('status', (info) => {
    if (info.status === 'denied') expectTypeOf(info.reason.code).toBeString()
    // @ts-expect-error -- only some states have a reason
    expectTypeOf(info.reason)
  })
  // Without type parameters anything goes that JSON can hold.
  client.room('b').presence.set({ anything: [1, 2] })
}

test('wrong shapes do not compile', () => {
  expect(compiles).toBeTypeOf('function')
})
