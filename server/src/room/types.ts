import type { Access, ErrorCode, PresenceUser } from '@weft/protocol'
import type { Seq } from '../ids.js'
import type { StoredEvent } from '../store/types.js'
import type { PresenceOwner } from './presence-owner.js'

/** One session in one room, as the room sees it. Implemented by the gateway's dialects. */
export interface RoomMember extends PresenceOwner {
  readonly user: string | null
  /** 32 hex digits, or null for stock Yjs clients. */
  readonly clientId: string | null
  readonly access: Access
  /** Everything of this member up to change `n` is committed, and what it refers to (P22). */
  ack(n: number, seq: Seq): void
  /** Change `n` was refused (P23). `n` is 0 for members without change numbers. */
  nack(n: number, code: ErrorCode, message: string): void
  /** The room ends the membership. The member has been removed already. */
  end(code: ErrorCode, message: string): void
}

/**
 * Where a room's frames go: to all its live subscribers, each dialect encoded once. Implemented by the gateway.
 * `sender`, where given, is left out if that is cheap; a sender that gets its own updates back is unharmed.
 */
export interface RoomOutput {
  /** Members that get frames now. */
  readonly receivers: number
  updates(updates: readonly Uint8Array[], sender: RoomMember | null): void
  /** @param users whose the ids are that have not been shown before, or under another user */
  presence(awareness: Uint8Array, users: readonly PresenceUser[]): void
  message(event: StoredEvent): void
  /** @param sender null when it is a member on another node */
  broadcast(sender: RoomMember | null, author: string | null, name: string, payload: Uint8Array): void
  /** @returns the seq that was told, which may be lower: what every receiver has for certain */
  watermark(seq: Seq): Seq
  /** The room has closed; nothing more comes. */
  dispose(): void
}

/** Counters and histograms that rooms feed. */
export interface RoomObserver {
  updateIn(bytes: number): void
  /** A relay left: `waited` is the age of its oldest update, in seconds. */
  relayed(updates: number, receivers: number, waited: number): void
  /** From the arrival of a change to its ack, in seconds. */
  acked(seconds: number): void
  refused(code: ErrorCode): void
  /** Events were read from the log that no other node had told of, or not in time. */
  repaired(events: number): void
  compacted(seconds: number, bytes: number): void
  fault(message: string, error: unknown): void
}
