/* What a Weft client says that is not kept: presence and broadcasts (P30 to P35). */
import {
  encodeServerFrame,
  ProtocolError,
  readAwareness,
  type BroadcastFrame,
  type ErrorCode,
} from '@weft/protocol'
import { mayShow } from './may-show.js'
import type { Membership } from './membership.js'
import type { SessionContext } from './session.js'
import type { Socket } from './socket.js'

/** The connection that it came on. */
export interface EphemeralSource {
  readonly context: SessionContext
  /** Tells of an error that no request is to blame for. */
  refuse(request: null, code: ErrorCode, message: string): void
}

/** Takes a broadcast, or refuses it. */
export const takeBroadcast = (source: EphemeralSource, member: Membership, frame: BroadcastFrame): void => {
  if (!member.isLive) return
  const { eventBytes } = source.context.limits
  if (!member.permissions.events) source.refuse(null, 'forbidden', 'the grant is not to broadcast')
  else if (frame.payload.length > eventBytes) {
    source.refuse(null, 'too_large', `a payload has at most ${eventBytes} bytes`)
  } else member.room.broadcast(member, frame.name, frame.payload)
}

/** Takes what a client shows, or refuses it. */
export const takePresence = (source: EphemeralSource, member: Membership, awareness: Uint8Array): void => {
  const { presenceEntries, presenceBytes } = source.context.limits
  try {
    const entries = readAwareness(awareness, presenceEntries, presenceBytes)
    if (!mayShow(member, entries)) throw new ProtocolError('forbidden', 'the grant is not to show presence')
    const first = !member.presenceSeen
    member.presenceSeen = true
    if (!member.room.setPresence(member, entries, first))
      throw new ProtocolError('overloaded', 'the server holds as much presence as it may')
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
    source.refuse(null, error.code, error.message)
  }
}

/** Shows a member everybody who shows something. */
export const sendPresence = (socket: Socket, member: Membership): void => {
  const { presence } = member.room
  const awareness = presence.snapshot()
  if (awareness === null) return
  const { number: room } = member.channel
  // It must arrive: what is shown later tells the user of new ids only (P58).
  socket.send(encodeServerFrame({ type: 'users', room, users: presence.users() }))
  socket.sendLossy(encodeServerFrame({ type: 'presences', room, awareness }))
}
