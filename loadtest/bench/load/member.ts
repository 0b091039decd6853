import type { Presence } from '../wire/presence-wire.js'
import type { Tally } from './tally.js'
import type { Typist } from './typist.js'

/** One client in one room. */
export interface Member {
  readonly typist: Typist | null
  /** Sends the next `count` keystrokes, each an update of its own, in one write. */
  type(count: number): void
  /** Sends updates that were made elsewhere, in one write. Only for a member that does not type. */
  send(updates: readonly Uint8Array[]): void
  /** Shows others where this member's cursor is. */
  show(presence: Presence): void
  close(): void
}

/** Told of each update that arrives. */
export interface UpdateSink {
  update(bytes: Uint8Array, start: number, end: number, now: number): void
}

/** What a member needs to join. */
export interface MemberOptions {
  readonly port: number
  readonly room: string
  readonly typist: Typist | null
  readonly receiver: UpdateSink
  readonly tally: Tally
}

/** Calls that resolve when the server has answered; rejected when the connection ends before. */
export interface Deferred {
  readonly promise: Promise<void>
  resolve(): void
  reject(error: Error): void
}

export const deferred = (): Deferred => {
  let resolve: () => void = () => undefined
  let reject: (error: Error) => void = () => undefined
  const promise = new Promise<void>((onResolve, onReject) => {
    resolve = onResolve
    reject = onReject
  })
  // Whoever awaits it hears of the failure; when nobody does any more, nobody minds.
  promise.catch(() => undefined)
  return { promise, resolve: () => resolve(), reject: (error) => reject(error) }
}
