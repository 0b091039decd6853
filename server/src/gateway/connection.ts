/* A socket with its session. No exception of the session reaches whoever calls. */
import type { Counted } from '../limits/index.js'
import type { Dialect } from './channel.js'
import type { Session, UpgradeRequest } from './session.js'
import type { Socket, SocketEvents } from './socket.js'

/** Runs what a socket sets off, and keeps what it throws to itself. */
export type Run = (run: () => void) => void

export class Connection implements SocketEvents {
  readonly dialect: Dialect
  /** In the count of its address. */
  readonly address: Counted | null
  /** Let go of when the socket is open. */
  request: UpgradeRequest | null
  session: (Session & SocketEvents) | null = null
  socket: Socket | null = null
  private readonly guard: Run

  constructor(dialect: Dialect, address: Counted | null, request: UpgradeRequest, guard: Run) {
    this.dialect = dialect
    this.address = address
    this.request = request
    this.guard = guard
  }

  fellBehind(): void {
    this.guard(() => this.session?.fellBehind())
  }

  caughtUp(): void {
    this.guard(() => this.session?.caughtUp())
  }

  tooSlow(reason: string): void {
    this.guard(() => this.session?.tooSlow(reason))
  }
}
