import type { ServerProcess } from './child.js'

/** A server and the wire that clients speak to it. */
export interface Target {
  /** As it stands in the tables. */
  readonly name: string
  readonly dialect: 'weft' | 'yjs'
  /** Whether it answers a new member with the room's state. */
  readonly syncs: boolean
  readonly port: number
  readonly server: ServerProcess
  /** What runs beside it: PostgreSQL's postmaster. */
  readonly database: number | null
}
