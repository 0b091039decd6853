/* Whose presence it is, on whichever node, and who has an id that several nodes claim at once. Pure. */
import type { BusPresence, NodeId } from '../bus/index.js'

/** The connection that presence belongs to, as far as the table needs to know it. */
export interface PresenceOwner {
  /** The verified user, or null for an anonymous one. */
  readonly user: string | null
  /** Names the connection; no two of all nodes have the same name. */
  readonly connection: string
}

/** A connection somewhere. */
export interface Holder {
  owner: PresenceOwner
  /** Null for a connection of this node. */
  node: NodeId | null
}

export const sameConnection = (a: Holder, b: Holder): boolean =>
  a.node === b.node && a.owner.connection === b.owner.connection

/**
 * Whether another node's claim of an id goes before the one that is known, which is of a third node or of this one. The
 * same answer on every node, whichever claim it heard first: one user's claims by clock, the newer connection having gone
 * beyond the older one; equal clocks by the connections' names. Of different users, who collided or one of whom guessed
 * the other's id, the clock decides nothing, since clients choose it. A verified user goes before an anonymous one.
 */
export const outranks = (
  { user, clock, connection }: BusPresence,
  known: Holder & { readonly base: number },
): boolean => {
  const { owner, base } = known
  if (user !== owner.user) return user !== null && (owner.user === null || user > owner.user)
  return clock === base ? connection > owner.connection : clock > base
}

/** Which ids are whose: by connection of this node, or by other node. */
export class OwnedIds {
  private readonly byOwner = new Map<PresenceOwner | NodeId, Set<number>>()

  add({ node, owner }: Holder, clientId: number): void {
    const key = node ?? owner
    const ids = this.byOwner.get(key)
    if (ids === undefined) this.byOwner.set(key, new Set([clientId]))
    else ids.add(clientId)
  }

  remove({ node, owner }: Holder, clientId: number): void {
    const key = node ?? owner
    const ids = this.byOwner.get(key)
    ids?.delete(clientId)
    if (ids?.size === 0) this.byOwner.delete(key)
  }

  /** As they are now. */
  of(owner: PresenceOwner | NodeId): number[] {
    return [...(this.byOwner.get(owner) ?? [])]
  }

  count(owner: PresenceOwner): number {
    return this.byOwner.get(owner)?.size ?? 0
  }

  /** Other nodes that own any. */
  nodes(): NodeId[] {
    return [...this.byOwner.keys()].filter((key) => typeof key === 'string')
  }
}
