import { ProtocolError } from '@weft/protocol'
import type { Identity, Permissions } from '../auth/index.js'
import type { RoomHold } from '../room/index.js'
import type { RoomChannel } from './channel.js'
import type { SessionContext } from './session.js'

/** A room that is open for somebody who may be in it. */
export interface Admitted {
  readonly hold: RoomHold<RoomChannel>
  readonly permissions: Permissions
}

/**
 * Opens a room for somebody. What they may do is asked before it, so that no room is made for who may not be in it, and
 * again after it: the token may have been replaced, or the grant changed, while the room was opened.
 * @throws {ProtocolError} `forbidden`; what the hook and `Rooms.open` throw
 */
export const admit = async (
  { auth, rooms }: SessionContext,
  identity: () => Identity,
  room: string,
): Promise<Admitted> => {
  const permit = async (): Promise<Permissions> => {
    const permissions = await auth.permit(identity(), room)
    if (permissions === null) throw new ProtocolError('forbidden', 'there is no grant for this room')
    return permissions
  }
  await permit()
  const hold = await rooms.open(identity().tenant, room)
  try {
    return { hold, permissions: await permit() }
  } catch (error) {
    hold.release()
    throw error
  }
}
