import { expect, test } from 'vitest'
import type { Room } from '../room/index.js'
import type { Socket } from './socket.js'
import { WeftWire } from './weft-member-wire.js'

test('P47: before JOINED a member that is sent away is told by the request: it does not know the room’s number yet', () => {
  const ended: unknown[] = []
  const room = { epoch: 1, head: 0, stateVector: Uint8Array.of(0) } as unknown as Room
  const socket = { send: () => undefined } as unknown as Socket
  const wire = new WeftWire({ socket, ended: (...told) => ended.push(told) }, room, 5, 'write', 9)
  wire.ended('draining', 'closed')
  wire.begin('full')
  wire.ended('draining', 'closed')
  expect(ended).toEqual([
    [5, 'draining', 'closed', 9],
    [5, 'draining', 'closed', null],
  ])
})
