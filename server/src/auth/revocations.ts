import { ProtocolError } from '@weft/protocol'
import type { Permissions } from './permissions.js'
import type { Identity } from './types.js'

/**
 * What was decided about a user after tokens were made: it counts for every token made before it (`iat`), and for those that
 * do not say when they were made.
 */
export type Revocation =
  /** All connections end. `final`: the client stays away; else it comes back with a new token. */
  | {
      readonly do: 'disconnect'
      readonly tenant: string
      readonly user: string
      readonly final: boolean
      /** Milliseconds since 1970. */
      readonly at: number
    }
  /** What the user may do in a room, in place of what the token grants; null for nothing. */
  | {
      readonly do: 'grant'
      readonly tenant: string
      readonly user: string
      readonly room: string
      readonly permissions: Permissions | null
      readonly at: number
    }

interface UserRecord {
  disconnected: Extract<Revocation, { do: 'disconnect' }> | null
  readonly rooms: Map<string, Extract<Revocation, { do: 'grant' }>>
}

const keyOf = (tenant: string, user: string): string => `${tenant}\0${user}`

const isOlder = (identity: Identity, at: number): boolean => identity.issued === null || identity.issued < at

/** The revocations that a node knows: all that are kept in the database. */
export class Revocations {
  private readonly users = new Map<string, UserRecord>()

  /** @returns whether it is news: newer than what was known of the user, or of the user in the room */
  note(revocation: Revocation): boolean {
    const { tenant, user, at } = revocation
    const key = keyOf(tenant, user)
    let record = this.users.get(key)
    if (record === undefined) this.users.set(key, (record = { disconnected: null, rooms: new Map() }))
    if (revocation.do === 'disconnect') {
      if ((record.disconnected?.at ?? -1) >= at) return false
      record.disconnected = revocation
    } else {
      if ((record.rooms.get(revocation.room)?.at ?? -1) >= at) return false
      record.rooms.set(revocation.room, revocation)
    }
    return true
  }

  /** Why the connections of an identity have to end; null when they need not. */
  refusal(identity: Identity): ProtocolError | null {
    const { tenant, user } = identity
    const found = user === null ? null : (this.users.get(keyOf(tenant, user))?.disconnected ?? null)
    if (found === null || !isOlder(identity, found.at)) return null
    return found.final
      ? new ProtocolError('forbidden', 'disconnected by an administrator')
      : new ProtocolError('token_expired', 'a new token is needed')
  }

  /** What an identity may do in a room by a later decision than its token; undefined when there is none. */
  granted(identity: Identity, room: string): Permissions | null | undefined {
    const { tenant, user } = identity
    if (user === null) return undefined
    const found = this.users.get(keyOf(tenant, user))?.rooms.get(room)
    return found === undefined || !isOlder(identity, found.at) ? undefined : found.permissions
  }

  /** Forgets what was decided before a time: no token of then is valid any more. */
  forgetBefore(at: number): void {
    for (const [key, record] of this.users) {
      if (record.disconnected !== null && record.disconnected.at < at) record.disconnected = null
      for (const [room, grant] of record.rooms) if (grant.at < at) record.rooms.delete(room)
      if (record.disconnected === null && record.rooms.size === 0) this.users.delete(key)
    }
  }
}
