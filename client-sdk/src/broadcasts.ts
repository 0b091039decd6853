/* Ephemeral messages of one room. */
import { broadcastFrame, decodeValue } from '@weft/protocol'
import { createEmitter, type Unsubscribe } from './emitter.js'
import { WeftError, tooLarge } from './errors.js'
import { encodePayload } from './payload.js'
import type { RoomContext } from './room-context.js'
import type { Broadcast } from './types.js'

export interface Broadcasts {
  /** Sends, or drops when that is not possible now: what waits would be out of date. */
  send(name: string, payload: unknown): boolean
  on<Name extends string>(name: Name, listener: (message: Broadcast<Name>) => void): Unsubscribe
  receive(author: string | null, name: string, payload: Uint8Array): void
  end(): void
}

export const createBroadcasts = (room: RoomContext): Broadcasts => {
  const { client } = room
  const emitter = createEmitter<Record<string, Broadcast>>(client.logger)
  return {
    send: (name, payload) => {
      const bytes = encodePayload(name, payload)
      const { limits } = client
      const { number } = room
      if (!limits || number === null) return false
      const excess = tooLarge('broadcast', bytes, limits.eventBytes)
      if (excess) throw new WeftError('too_large', excess)
      if (room.access === 'read') throw new WeftError('forbidden', 'a grant to read is none to broadcast')
      if (client.link.congested) return false
      client.link.send([broadcastFrame, number, name, bytes])
      return true
    },
    // Under a name only broadcasts of that name are emitted.
    on: (name, listener) => emitter.on(name, listener as (message: Broadcast) => void),
    receive: (author, name, payload) => {
      let value
      try {
        value = decodeValue(payload)
      } catch (thrown) {
        room.failed(`broadcast '${name}'`, thrown)
        return
      }
      emitter.emit(name, { name, payload: value, author })
    },
    end: emitter.clear,
  }
}
