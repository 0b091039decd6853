import {
  encodeServerFrame,
  syncHeader,
  WireLimits,
  type Access,
  type ErrorCode,
  type SyncPart,
} from '@weft/protocol'
import type { Room } from '../room/index.js'
import { eventFrame } from './channel.js'
import type { MembershipWire } from './membership.js'
import type { Piece, Socket } from './socket.js'

/** The frames of a member that speaks the Weft protocol. */
export const createWeftWire = (
  socket: Socket,
  room: Room,
  number: number,
  access: Access,
  request: number,
  ended: (code: ErrorCode, message: string) => void,
): MembershipWire & { readonly begun: boolean } => {
  let begun = false
  const sync = (part: SyncPart, data: Uint8Array): Uint8Array =>
    encodeServerFrame({ type: 'sync', room: number, part, data })
  return {
    get begun() {
      return begun
    },
    ack: (n, seq) => socket.send(encodeServerFrame({ type: 'ack', room: number, n, seq })),
    nack: (n, code, message) =>
      socket.send(encodeServerFrame({ type: 'nack', room: number, n, code, message })),
    ended,
    begin: (mode) => {
      begun = true
      const { epoch, head, stateVector } = room
      socket.send(
        encodeServerFrame({ type: 'joined', request, room: number, epoch, head, access, mode, stateVector }),
      )
    },
    *update(update, initial): Generator<Piece> {
      if (!initial) {
        const frame = encodeServerFrame({ type: 'updates', room: number, updates: [update] })
        yield (ws) => ws.send(frame, true)
        return
      }
      const { syncChunkBytes } = WireLimits
      for (let start = 0; start < update.length; start += syncChunkBytes) {
        const end = Math.min(start + syncChunkBytes, update.length)
        const data = update.subarray(start, end)
        const header = syncHeader(number, end < update.length ? 'more' : 'update', data.length)
        // One message in two fragments: the state is not copied for each joiner.
        yield (ws) => {
          ws.sendFirstFragment(header, true)
          return ws.sendLastFragment(data)
        }
      }
    },
    *message(event): Generator<Piece> {
      const frame = eventFrame(number, event)
      yield (ws) => ws.send(frame, true)
    },
    lastMessage: (event) => socket.send(eventFrame(number, event)),
    lastUpdates: (updates, initial) => {
      if (!initial) socket.send(encodeServerFrame({ type: 'updates', room: number, updates }))
      else for (const update of updates) socket.send(sync('update', update))
    },
    finish: (update, initial) => {
      if (initial) socket.send(sync('done', update ?? new Uint8Array(0)))
      else if (update !== null) {
        socket.send(encodeServerFrame({ type: 'updates', room: number, updates: [update] }))
      }
      // What was handed out is now complete up to here (P29).
      socket.send(encodeServerFrame({ type: 'watermark', room: number, seq: room.handed }))
    },
  }
}
