import type { ClientFrame, SessionLimits } from '@weft/protocol'
import type { Clock } from './clock.js'
import type { WeftError } from './errors.js'
import type { Page } from './event-log.js'
import type { Member } from './memberships.js'
import type { PersistenceSession } from './persistence.js'
import type { RoomCore } from './room.js'
import type { HistoryQuery, Logger } from './types.js'

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
  /** Whether the user is away. */
  readonly idle: boolean
  /** The user did something. */
  active(): void
  /** What the server told in WELCOME; null before the first. */
  readonly limits: SessionLimits | null
  readonly congested: boolean
  readonly connected: boolean
  /** Why the connection was refused for good, or null. */
  readonly denial: WeftError | null
  /** Where rooms are kept, if anywhere. */
  readonly persistence: PersistenceSession | null
  /** Sends on the running connection. */
  send(frame: ClientFrame): void
  roomOf(member: Member): number | null
  /** Reads the log of a member's room. Rejects when the connection or the membership ends before the answer. */
  read(member: Member, query: HistoryQuery): Promise<Page>
  join(member: Member): void
  leaveConnection(member: Member): void
  /** The server says that the member is not in the room. */
  forget(member: Member): void
  /** The last reference was given back; `n` is the number that the next change of this client here has. */
  released(room: RoomCore, nextNumber: number): void
}
