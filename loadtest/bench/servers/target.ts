import type { ServerProcess } from './child.js'

/** A server and the wire that clients speak to it. */
export interface Target {
  /** As it stands in the tables. */
  readonly name: string
  readonly dialect: 'weft' | 'yjs' | 'hocuspocus'
  /** Whether it answers a new member with the room's state. */
  readonly syncs: boolean
  readonly port: number
  /** Where its `/metrics` are. */
  readonly metricsPort: number
  readonly server: ServerProcess
  /** What runs beside it: PostgreSQL's postmaster. */
  readonly database: number | null
}

/** A target with a server of its own. */
export type OwnTarget = Target & { stop(): Promise<void> }
