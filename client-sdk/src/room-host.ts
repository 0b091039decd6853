import type { SessionLimits } from '@weft/protocol'
import type { Clock } from './clock.js'
import type { WeftError } from './errors.js'
import type { IdleWatch } from './idle.js'
import type { Link } from './link.js'
import type { Memberships } from './memberships.js'
import type { PersistenceSession } from './persistence.js'
import type { RoomCore } from './room-core.js'
import type { Logger } from './types.js'

/** What a room needs of its client. */
export interface RoomHost {
  readonly clock: Clock
  readonly random: () => number
  readonly logger: Logger
  /** The client's id, in hexadecimal. */
  readonly clientId: string
  /** The verified user of the connection; null when anonymous, or before the first. */
  readonly user: string | null
  readonly presenceInterval: number
  readonly idle: Pick<IdleWatch, 'idle' | 'activity'>
  readonly link: Pick<Link, 'connected' | 'congested' | 'send'>
  /** What the server told in WELCOME; null before the first. */
  readonly limits: SessionLimits | null
  /** Why the connection was refused for good, or null. */
  readonly denial: WeftError | null
  /** Where rooms are kept, if anywhere. */
  readonly persistence: PersistenceSession | null
  readonly memberships: Memberships
  /** The last reference was given back; `nextNumber` is what the next change of this client here has. */
  released(room: RoomCore, nextNumber: number): void
}
