import type { Revocation } from '../auth/index.js'
import type { RoomId, Seq } from '../ids.js'
import type { StoredEvent } from '../store/types.js'

/** Names a run of a node: a node that is started again is another one. */
export type NodeId = string

/** What one connection of a node shows of itself. */
export interface BusPresence {
  /** Names the connection on its node. */
  readonly connection: string
  readonly user: string | null
  /** The awareness id. */
  readonly clientId: number
  readonly clock: number
  /** JSON; null when the connection has left, or shows nothing any more. */
  readonly state: string | null
}

/**
 * What nodes tell each other about a room. All of it is a hint (I4): the log has everything that is durable, and a message
 * that is lost, doubled, late or out of order costs latency and nothing else.
 */
export type BusMessage =
  /** Updates that were accepted and relayed, maybe not committed yet, numbered per room and node: from `first` on. */
  | { readonly kind: 'relay'; readonly first: number; readonly updates: readonly Uint8Array[] }
  /**
   * The log reaches `head` now. Of what the sender committed, the updates are named by their relay number (0: it was not
   * relayed), and the messages come whole: whoever lacks something else reads the log.
   */
  | {
      readonly kind: 'committed'
      readonly head: Seq
      readonly updates: readonly { readonly seq: Seq; readonly number: number }[]
      readonly messages: readonly StoredEvent[]
    }
  /** An ephemeral message, passed on as it is. */
  | {
      readonly kind: 'broadcast'
      readonly author: string | null
      readonly name: string
      readonly payload: Uint8Array
    }
  /**
   * What the sender's connections show: what has changed, or all of it (`whole`), in which case what is not in it has
   * left.
   */
  | { readonly kind: 'presence'; readonly whole: boolean; readonly entries: readonly BusPresence[] }
  /** The sender has opened the room: whoever has it open too answers with a whole `presence`. */
  | { readonly kind: 'presence_wanted' }

/** Something that is to happen on every node at which a client of it may be connected. */
export type ControlCommand =
  /** Everybody leaves the room, and may come back at once. */
  | { readonly do: 'close_room'; readonly tenant: string; readonly room: string }
  /** The room has been deleted in the store: everybody leaves it for good. */
  | { readonly do: 'room_deleted'; readonly tenant: string; readonly room: string; readonly id: RoomId }
  /** A decision about a user: see `Revocation`. */
  | Revocation
  /** What the authorization hook said about a user, in one room or in all, counts no more: it is asked again. */
  | {
      readonly do: 'reauthorize'
      readonly tenant: string
      readonly user: string
      readonly room: string | null
    }

/** What nodes tell all other nodes. */
export type NodeMessage =
  /** Sent every second by every node. */
  | { readonly kind: 'alive' }
  /** The sender stops, in an orderly way: its connections are gone. */
  | { readonly kind: 'bye' }
  /** See `Control`. */
  | { readonly kind: 'control'; readonly command: ControlCommand }

/** Carries messages to the other nodes, never back to the sender. Nothing here throws or waits. */
export interface Bus {
  /** How the other nodes know this one. */
  readonly node: NodeId
  /** Whether there is nobody to talk to: messages need not even be made. */
  readonly isAlone: boolean
  /** Whether what is published arrives, as far as is known. Always true for a node that is alone. */
  readonly isHealthy: boolean
  /**
   * Whether the proof of `isHealthy` is late: it may turn out that nothing arrives. Who is silent meanwhile need not be gone.
   */
  readonly isDoubtful?: boolean
  /** To the other nodes that have the room open. Messages of one turn of the event loop may travel together. */
  publish(room: RoomId, message: BusMessage): void
  /** @returns how to stop */
  subscribe(room: RoomId, listener: (message: BusMessage, from: NodeId) => void): () => void
  /** To every other node. */
  announce(message: NodeMessage): void
  /** @returns how to stop */
  onAnnouncement(listener: (message: NodeMessage, from: NodeId) => void): () => void
  /** Tells when `isHealthy` changes. @returns how to stop */
  onHealth(listener: (isHealthy: boolean) => void): () => void
  /** What has been published goes out; nothing is heard any more. */
  close(): Promise<void>
}
