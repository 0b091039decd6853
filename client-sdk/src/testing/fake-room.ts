/* A room of the fake server: its log, and what is on the way there. */
import type { DurableMessage } from '@weft/protocol'
import type { FakeSocket } from './fake-socket.js'

export type Message = Omit<DurableMessage, 'seq'>

/** What stands in the log: a change of the document, or a message. */
export type Content = { readonly update: Uint8Array } | { readonly message: Message }

export type Pending = Content & {
  readonly socket: FakeSocket
  readonly n: number
  /** Counts only if the log holds no change of the document. */
  readonly seed?: boolean
}

export interface FakeRoom {
  readonly number: number
  readonly name: string
  epoch: number
  log: Content[]
  pending: Pending[]
  /** Committed, and not acknowledged: something that they refer to is not committed (P22, P26). */
  waiting: { readonly socket: FakeSocket; readonly n: number; readonly seq: number }[]
  members: Set<FakeSocket>
}

/** The seq of a message that is in the log, by its key; 0 when it is not. */
export const seqOf = (log: readonly Content[], { clientId, n }: Message): number =>
  1 +
  log.findIndex(
    (entry) =>
      'message' in entry && entry.message.n === n && String(entry.message.clientId) === String(clientId),
  )

/** The changes of the document. */
export const updatesOf = (entries: readonly Content[]): Uint8Array[] =>
  entries.flatMap((entry) => ('update' in entry ? [entry.update] : []))
