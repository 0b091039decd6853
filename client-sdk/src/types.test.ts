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
  void room.events.append('comment', { text: 'hi' })
  // @ts-expect-error -- an event that the room does not have
  void room.events.append('remark', { text: 'hi' })
  // @ts-expect-error -- a payload of another shape
  void room.events.append('comment', { txt: 'hi' })
  // @ts-expect-error -- a payload is needed
  void room.events.append('comment')
  room.events.on('comment', ({ payload, seq, name }) => {
    expectTypeOf(payload).toEqualTypeOf<{ text: string }>()
    expectTypeOf(seq).toBeNumber()
    expectTypeOf(name).toEqualTypeOf<'comment'>()
  })
  // @ts-expect-error -- nobody can append it
  room.events.on('remark', () => undefined)
  // @ts-expect-error -- history is read by seq
  void room.events.history({ after: 'the beginning' })
  const pointing = client.room<Shown, { comment: { text: string } }, { pointer: { x: number } }>('a')
  pointing.broadcast('pointer', { x: 1 })
  // @ts-expect-error -- a broadcast of another shape
  pointing.broadcast('pointer', { y: 1 })
  // @ts-expect-error -- an event is no broadcast
  pointing.broadcast('comment', { text: 'hi' })
  pointing.onBroadcast('pointer', ({ payload }) => expectTypeOf(payload).toEqualTypeOf<{ x: number }>())
  expectTypeOf(room.seed(() => undefined)).toEqualTypeOf<Promise<boolean>>()
  room.on('rejected', (rejection) => {
    // @ts-expect-error -- only a refused update has one
    expectTypeOf(rejection.update)
    if (rejection.kind === 'event') expectTypeOf(rejection.outcome).toEqualTypeOf<'dropped'>()
  })
  // Without type parameters anything goes that JSON can hold.
  client.room('b').presence.set({ anything: [1, 2] })
}

test('wrong shapes do not compile', () => {
  expect(compiles).toBeTypeOf('function')
})
