import type { Access } from '@weft/protocol'
import type { Identity } from './types.js'

/** An identity whose access to a room has been changed since its token was made: see `Control`. */
class Granted implements Identity {
  readonly user: string | null
  readonly name: string | null
  readonly tenant: string
  readonly expires: number | null
  private readonly identity: Identity
  private readonly changed: ReadonlyMap<string, Access | null>

  constructor(identity: Identity, changed: ReadonlyMap<string, Access | null>) {
    this.user = identity.user
    this.name = identity.name
    this.tenant = identity.tenant
    this.expires = identity.expires
    this.identity = identity
    this.changed = changed
  }

  access(room: string): Access | null {
    const access = this.changed.get(room)
    return access === undefined ? this.identity.access(room) : access
  }

  with(room: string, access: Access | null): Granted {
    return new Granted(this.identity, new Map(this.changed).set(room, access))
  }
}

/** The identity with another access to one room; null for none. */
export const withGrant = (identity: Identity, room: string, access: Access | null): Identity =>
  (identity instanceof Granted ? identity : new Granted(identity, new Map())).with(room, access)
