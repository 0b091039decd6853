/* The SyncStatuses of one document of a HocuspocusProvider, on their way: which, see sync-statuses.ts. */
import type { Inspection } from '../crdt/index.js'
import { encodeSyncStatus } from './hocuspocus-wire.js'
import type { Socket } from './socket.js'
import type { ChangeKind } from './stock-document.js'
import { SyncStatuses } from './sync-statuses.js'

/** The socket that they are sent on. */
export interface StatusSocket {
  readonly socket: Pick<Socket, 'send'>
  /** Whether the provider has sent what it had kept for the connection. */
  readonly hasFlushed: boolean
  /** Calls back when everything has come that the provider sent before it heard of this. */
  roundTrip(done: () => void): void
}

export class StatusSender {
  private readonly owner: StatusSocket
  private readonly address: Uint8Array
  private statuses = new SyncStatuses()
  /** Whether the provider is being asked if it has anything on its way. */
  private asking = false

  constructor(owner: StatusSocket, address: Uint8Array) {
    this.owner = owner
    this.address = address
  }

  /** Whether nothing of the provider waits for its commit. */
  get isSettled(): boolean {
    return this.statuses.isSettled
  }

  /** The provider counts anew. */
  stepOne(stateVector: Uint8Array): void {
    this.statuses.stepOne(stateVector, !this.owner.hasFlushed)
  }

  flushed(): void {
    this.statuses.flushed()
  }

  missed(): void {
    this.statuses.missed()
  }

  /** @returns the change's number */
  add(kind: ChangeKind, inspection: Inspection | null): number {
    return this.statuses.add(kind, inspection)
  }

  /** Everything up to change `n` is committed. */
  acked(n: number): void {
    this.send(this.statuses.acked(n))
  }

  /** The state that a step 1 asked for has been sent. */
  stateSent(): void {
    this.send(this.statuses.stateSent())
  }

  /** The change is refused. */
  refuse(): void {
    this.owner.socket.send(encodeSyncStatus(this.address, false))
  }

  ended(): void {
    this.statuses.ended()
  }

  /** The provider has closed the document. */
  reset(): void {
    this.statuses = new SyncStatuses()
  }

  private send(count: number): void {
    const status = encodeSyncStatus(this.address, true)
    for (let i = 0; i < count; i++) this.owner.socket.send(status)
    this.askIfIdle()
  }

  private askIfIdle(): void {
    const { statuses } = this
    if (this.asking || !statuses.isSpareDue) return
    this.asking = true
    const { newest } = statuses
    this.owner.roundTrip(() => {
      this.asking = false
      if (this.statuses !== statuses || !statuses.isSpareDue) return
      // Something came meanwhile: asked again.
      if (statuses.newest === newest) this.send(statuses.takeSpare())
      else this.askIfIdle()
    })
  }
}
