import type { ClientFrame, SessionLimits } from '@weft/protocol'
import type { Page } from './event-log.js'
import type { Member } from './memberships.js'
import type { RoomHost } from './room-host.js'
import type { HistoryQuery } from './types.js'

/** The running connection as one room sees it. */
export interface Wire {
  /** What the server told in WELCOME; null before the first. */
  readonly limits: SessionLimits | null
  /** Whether the socket has enough to do. */
  readonly congested: boolean
  /** The room's number on the running connection; null while it is not joined. */
  readonly number: number | null
  /** Whether changes are kept here: the client may not make them now, and could before. */
  readonly held: boolean
  send(frame: ClientFrame): void
}

export class RoomWire implements Wire {
  held = false
  private readonly host: RoomHost
  private readonly member: Member

  constructor(host: RoomHost, member: Member) {
    this.host = host
    this.member = member
  }

  get limits(): SessionLimits | null {
    return this.host.limits
  }

  get congested(): boolean {
    return this.host.congested
  }

  get number(): number | null {
    return this.host.roomOf(this.member)
  }

  send(frame: ClientFrame): void {
    this.host.send(frame)
  }

  /** Reads the log of events. Rejects when the connection or the membership ends before the answer. */
  read(query: HistoryQuery): Promise<Page> {
    return this.host.read(this.member, query)
  }
}
