import type { RoomId, Seq } from '../ids.js'

/**
 * What nodes tell each other about a room. All of it is a hint (I4): the log has everything, and a message that is lost,
 * doubled, late or out of order costs latency and nothing else.
 */
export type BusMessage =
  /** Updates that were accepted and relayed, maybe not committed yet. */
  | { readonly kind: 'relay'; readonly updates: readonly Uint8Array[] }
  /** The log reaches `head` now: whoever lacks events reads them. */
  | { readonly kind: 'committed'; readonly head: Seq }
  /** An ephemeral message, passed on as it is. */
  | {
      readonly kind: 'broadcast'
      readonly author: string | null
      readonly name: string
      readonly payload: Uint8Array
    }

/** Carries messages about a room to the other nodes that have it open, never back to the sender. */
export interface Bus {
  publish(room: RoomId, message: BusMessage): void
  /** @returns how to stop */
  subscribe(room: RoomId, listener: (message: BusMessage) => void): () => void
}
