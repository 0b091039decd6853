/*
 * Who is in a room, and what they show: y-protocols awareness without a Y.Doc. Pure: time is passed in.
 *
 * An awareness id belongs to the connection that first showed it (P31), and only that connection speaks for it (P30).
 * Stock y-websocket clients send every awareness change that they hear back to the server: those entries carry ids of
 * others, or of people who have just left, and are ignored.
 */
import { writeAwareness, type AwarenessEntry } from '@weft/protocol'

/** The connection that presence belongs to, as far as the table needs to know it. */
export interface PresenceOwner {
  /** The verified user, or null for an anonymous one. */
  readonly user: string | null
}

interface Entry {
  owner: PresenceOwner
  clock: number
  state: string
  /**
   * The latest states announced under a clock that the table had raised. They come back as the owner's own, also late: one
   * of them is not a change, or two states would take turns for ever.
   */
  raised: readonly { readonly clock: number; readonly state: string }[]
}

/** A round trip's worth of raised announcements of one id. */
const raisedKept = 4

interface Gone {
  clock: number
  at: number
  /** Who showed it last: the same connection may show it again (a hidden tab that returns). */
  owner: PresenceOwner
}

/**
 * How long the clock of an id that left is remembered, in milliseconds. Receivers keep it too, and would not show a
 * client that returns with the same clock.
 */
const rememberGoneMs = 60_000

/** Ids that left and are remembered, at most; beyond it the oldest half is forgotten (I6). */
export const maxRemembered = 16_384

export interface PresenceLimits {
  /** Ids that one connection may show in a room. */
  readonly entriesPerConnection: number
}

export class PresenceTable {
  private readonly limits: PresenceLimits
  private readonly entries = new Map<number, Entry>()
  private readonly owned = new Map<PresenceOwner, Set<number>>()
  private readonly gone = new Map<number, Gone>()
  private readonly dirty = new Set<number>()
  private lastForget = 0

  constructor(limits: PresenceLimits) {
    this.limits = limits
  }

  /** Ids shown now. */
  get size(): number {
    return this.entries.size
  }

  /** Ids that left and are remembered. */
  get remembered(): number {
    return this.gone.size
  }

  /** Whether there are changes that `takeChanges` has not given out. */
  get hasChanges(): boolean {
    return this.dirty.size > 0
  }

  /**
   * Takes what a connection says of its own presence, and ignores what it says of others'.
   * @param first whether this is the connection's first presence in the room, sent before it can have heard anybody
   *   else's: only then may it take an id over
   * @returns whether one of the entries was a leave, which is to be told at once
   */
  apply(
    owner: PresenceOwner,
    entries: readonly AwarenessEntry[],
    first: boolean,
    now: number,
  ): { left: boolean } {
    let left = false
    for (const entry of entries) {
      const current = this.entries.get(entry.clientId)
      if (current === undefined) {
        if (entry.state !== null && this.mayShow(owner, entry, entries.length, first))
          this.show(owner, entry, now)
        continue
      }
      if (current.owner !== owner) {
        if (!(first && entries.length === 1 && entry.state !== null && current.owner.user === owner.user))
          continue
        this.disown(current.owner, entry.clientId)
        this.own(owner, entry.clientId)
        current.owner = owner
      } else if (isEcho(entry, current)) {
        continue
      }
      if (entry.state === null) {
        this.remove(entry.clientId, Math.max(entry.clock, current.clock + 1), now)
        left = true
      } else {
        current.clock = Math.max(entry.clock, current.clock + 1)
        current.state = entry.state
        noteRaised(current, entry.clock)
        this.dirty.add(entry.clientId)
      }
    }
    return { left }
  }

  /** A connection left the room or closed: its ids go. @returns whether it showed any */
  drop(owner: PresenceOwner, now: number): boolean {
    const ids = this.owned.get(owner)
    if (ids === undefined) return false
    for (const id of [...ids]) {
      const entry = this.entries.get(id)
      if (entry !== undefined) this.remove(id, entry.clock + 1, now)
    }
    this.owned.delete(owner)
    return true
  }

  /** What changed since the last call, as one awareness update, or null. */
  takeChanges(): Uint8Array | null {
    if (this.dirty.size === 0) return null
    const update = writeAwareness([...this.dirty].map((id) => this.read(id)))
    this.dirty.clear()
    return update
  }

  /** Everybody's state as one awareness update, or null when nobody shows any. */
  snapshot(): Uint8Array | null {
    if (this.entries.size === 0) return null
    return writeAwareness([...this.entries.keys()].map((id) => this.read(id)))
  }

  private read(clientId: number): AwarenessEntry {
    const entry = this.entries.get(clientId)
    if (entry !== undefined) return { clientId, clock: entry.clock, state: entry.state }
    return { clientId, clock: this.gone.get(clientId)?.clock ?? 0, state: null }
  }

  private mayShow(owner: PresenceOwner, entry: AwarenessEntry, count: number, first: boolean): boolean {
    const owned = this.owned.get(owner)?.size ?? 0
    if (owned >= this.limits.entriesPerConnection) return false
    if (first) return true
    // Later frames may hold what the client heard of others: of several ids none is taken as its own. Someone who has
    // just left is remembered, and does not come back as a ghost because somebody's echo was late: an echo's clock is
    // before that of the leave, and one who is still there and says so (as y-protocols does when it hears of its own
    // leave) comes with a later one.
    const gone = this.gone.get(entry.clientId)
    if (gone !== undefined && entry.clock > gone.clock) return true
    return count === 1 && (gone === undefined || gone.owner === owner)
  }

  private show(owner: PresenceOwner, entry: AwarenessEntry, now: number): void {
    const gone = this.gone.get(entry.clientId)
    const shown: Entry = {
      owner,
      clock: gone === undefined ? entry.clock : Math.max(entry.clock, gone.clock + 1),
      state: entry.state ?? 'null',
      raised: [],
    }
    noteRaised(shown, entry.clock)
    this.entries.set(entry.clientId, shown)
    this.gone.delete(entry.clientId)
    this.own(owner, entry.clientId)
    this.dirty.add(entry.clientId)
    this.forget(now)
  }

  private remove(clientId: number, clock: number, now: number): void {
    const entry = this.entries.get(clientId)
    if (entry === undefined) return
    this.entries.delete(clientId)
    this.disown(entry.owner, clientId)
    this.gone.set(clientId, { clock, at: now, owner: entry.owner })
    this.dirty.add(clientId)
    this.forget(now)
    if (this.gone.size > maxRemembered) this.forgetOldest()
  }

  private own(owner: PresenceOwner, clientId: number): void {
    const ids = this.owned.get(owner)
    if (ids === undefined) this.owned.set(owner, new Set([clientId]))
    else ids.add(clientId)
  }

  private disown(owner: PresenceOwner, clientId: number): void {
    const ids = this.owned.get(owner)
    ids?.delete(clientId)
    if (ids?.size === 0) this.owned.delete(owner)
  }

  private forget(now: number): void {
    if (now - this.lastForget < rememberGoneMs / 4) return
    this.lastForget = now
    for (const [id, { at }] of this.gone) {
      if (now - at >= rememberGoneMs && !this.dirty.has(id)) this.gone.delete(id)
    }
  }

  private forgetOldest(): void {
    for (const id of this.gone.keys()) {
      if (this.gone.size <= maxRemembered / 2) return
      this.gone.delete(id)
      this.dirty.delete(id)
    }
  }
}

/** The owner's own state come back to it under a raised clock, and sent again as stock clients do. */
const isEcho = (entry: AwarenessEntry, current: Entry): boolean =>
  entry.clock <= current.clock &&
  (entry.state === current.state ||
    current.raised.some(({ clock, state }) => clock === entry.clock && state === entry.state))

const noteRaised = (entry: Entry, given: number): void => {
  const { clock, state } = entry
  if (clock > given) entry.raised = [...entry.raised.slice(1 - raisedKept), { clock, state }]
  // Its owner knows every clock up to its own: what was raised before is not on its way any more.
  else if (entry.raised.length > 0) entry.raised = entry.raised.filter((raised) => raised.clock > given)
}
