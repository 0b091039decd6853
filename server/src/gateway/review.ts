import type { ProtocolError } from '@weft/protocol'
import type { Identity, Permissions } from '../auth/index.js'
import type { Membership } from './membership.js'
import { tellable, type SessionContext } from './session.js'

/**
 * Asks again what a member may do, and applies it: at once, where the authorization hook need not be asked.
 * @param failed the hook cannot tell: nobody stays in a room on its silence (I8)
 */
export const review = (
  { auth, observer }: SessionContext,
  identity: Identity,
  member: Membership,
  apply: (permissions: Permissions | null) => void,
  failed: (error: ProtocolError) => void,
): void => {
  const refused = (error: unknown): void => {
    const told = tellable(error)
    if (told === null) observer.fault('checking a permission failed', error)
    else if (!member.hasLeft) failed(told)
  }
  try {
    const permitted = auth.permit(identity, member.room.name)
    if (permitted instanceof Promise)
      permitted
        .then((permissions) => {
          if (!member.hasLeft) apply(permissions)
        })
        .catch(refused)
    else apply(permitted)
  } catch (error) {
    refused(error)
  }
}
