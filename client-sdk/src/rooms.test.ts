import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Client, Room } from './types.js'
import { harness, settle } from './testing/harness.js'

/* One socket for many rooms, counted, entered and left in any order. */

const names = ['a', 'b', 'c'] as const

type Action =
  | { readonly type: 'enter' | 'leave' | 'edit'; readonly name: (typeof names)[number] }
  | { readonly type: 'crash' | 'disconnect' | 'connect' | 'settle' }

const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constantFrom('enter', 'leave', 'edit'),
      name: fc.constantFrom(...names),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constantFrom('crash', 'disconnect', 'connect', 'settle', 'settle') }),
  },
)

test('property: the server has the client in exactly the rooms that it holds, each once, with every edit', async () => {
  let shared = 0
  await fc.assert(
    fc.asyncProperty(fc.array(action, { minLength: 15, maxLength: 40, size: 'max' }), async (actions) => {
      const { server, client, pass } = harness()
      const weft: Client = client()
      await settle()
      /** What was entered and not left, by name: the same room as often as it was entered. */
      const held = new Map<string, Room[]>(names.map((name) => [name, []]))
      const edits = new Map<string, number>(names.map((name) => [name, 0]))
      for (const each of actions) {
        switch (each.type) {
          case 'enter': {
            const rooms = held.get(each.name) ?? []
            const room = weft.room(each.name)
            for (const other of rooms) {
              expect(room).toBe(other)
              shared++
            }
            rooms.push(room)
            break
          }
          case 'leave':
            held.get(each.name)?.pop()?.leave()
            break
          case 'edit': {
            const room = held.get(each.name)?.[0]
            if (room === undefined) break
            room.doc.getText('t').insert(0, 'x')
            edits.set(each.name, (edits.get(each.name) ?? 0) + 1)
            break
          }
          case 'crash':
            server.crash()
            break
          case 'disconnect':
            weft.disconnect()
            break
          case 'connect':
            weft.connect()
            break
          case 'settle':
            await settle()
            break
        }
      }
      weft.connect()
      await pass(20_000)
      const living = server.sockets.filter((socket) => !socket.gone)
      expect(living).toHaveLength(1)
      for (const name of names) {
        const rooms = held.get(name) ?? []
        expect([...server.room(name).members], name).toEqual(rooms.length > 0 ? living : [])
        for (const room of rooms) expect([room.status, room.unsaved]).toEqual(['live', 0])
        // Also of rooms that were left before their edits were acknowledged.
        expect(server.committed(name).getText('t').length).toBe(edits.get(name))
      }
      expect(server.sockets.flatMap((socket) => socket.refusals)).toEqual([])
      weft.close()
    }),
    { numRuns: 80 },
  )
  expect(shared).toBeGreaterThan(100)
})
