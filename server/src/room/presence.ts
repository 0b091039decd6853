/*
 * Who is in a room, and what they show: y-protocols awareness without a Y.Doc. Pure: time is passed in.
 *
 * An awareness id belongs to the connection that first showed it (P31), and only that connection speaks for it (P30).
 * Stock y-websocket clients send every awareness change that they hear back to the server: those entries carry ids of
 * others, or of people who have just left, and are ignored.
 *
 * Each node has such a table of the room, and tells the others what its own connections show (`takeTold`, `whole`; what
 * they tell comes to `hear`). Only a connection's own node speaks for it. What two nodes claim at once is decided alike on
 * every node: see `outranks`. A node may have to announce a higher clock than the owner's node gave, when it had removed
 * the id meanwhile; it tells that node, which goes beyond it: clocks are the same everywhere then, also for a client that
 * moves from one node to another.
 */
import { writeAwareness, type AwarenessEntry, type PresenceUser } from '@weft/protocol'
import type { BusPresence, NodeId } from '../bus/index.js'
import { entryOf, isEcho, noteRaised, toldOf, type PresenceEntry } from './presence-entry.js'
import { GoneIds } from './presence-gone.js'
import { OwnedIds, outranks, sameConnection, type Holder, type PresenceOwner } from './presence-owner.js'

/**
 * How long a claim may be renewed once, in milliseconds: until what other nodes show must have been heard. A client that
 * moves to a node which has just opened the room claims its id before that node knows of the old connection. One that
 * moves on within that time is fought for by two nodes, and the one that it came to last renews its claim last.
 */
const defendMs = 1_000

/**
 * Milliseconds between two raises of a clock that other nodes ask for. A raise also makes a claim rank higher: of two that
 * claim an id at the same time, both would be raised for ever, and neither would hear in time that it has lost.
 */
const raiseEveryMs = 1_000

export interface PresenceLimits {
  /** Ids that one connection may show in a room. */
  readonly entriesPerConnection: number
  /** Whether the room may hold so many bytes more of states. Default: yes. */
  fits?(more: number): boolean
}

/** Bytes of the states that one room shows, at most: all of them go to everybody who comes. */
export const maxPresenceBytes = 4 * 1024 * 1024
/** Memory that an entry takes beside its state, about. */
const entryBytes = 256
/** Bytes that an entry takes beside its state in a frame, about. */
const wireBytes = 12

/** What members are to be told. */
export interface PresenceChanges {
  /** An awareness update. */
  readonly update: Uint8Array
  /** Whose the ids in it are that it shows for the first time, again, or under another user: told before it (P58). */
  readonly users: readonly PresenceUser[]
}

export class PresenceTable {
  private readonly limits: PresenceLimits
  private readonly entries = new Map<number, PresenceEntry>()
  private readonly owned = new OwnedIds()
  private readonly gone = new GoneIds()
  private readonly dirty = new Set<number>()
  /** The users that ids were last shown under. */
  private readonly announced = new Map<number, string | null>()
  /** Ids that other nodes are to hear of, where they are of this node. */
  private readonly untold = new Set<number>()
  /** Clocks that owners on other nodes are to go beyond. */
  private readonly raises = new Map<number, BusPresence>()
  private held = 0

  constructor(limits: PresenceLimits) {
    this.limits = limits
  }

  /** Ids shown now. */
  get size(): number {
    return this.entries.size
  }

  /** The memory that it takes, in bytes. An estimate. */
  get bytes(): number {
    return this.held
  }

  /** Ids that left and are remembered. */
  get remembered(): number {
    return this.gone.size
  }

  /** Whether there are changes that `takeChanges` or `takeTold` has not given out. */
  get hasChanges(): boolean {
    return this.dirty.size > 0 || this.untold.size > 0 || this.raises.size > 0
  }

  /** Other nodes whose connections show something here. */
  get nodes(): NodeId[] {
    return this.owned.nodes()
  }

  /**
   * Takes what a connection says of its own presence, and ignores what it says of others'.
   * @param first whether this is the connection's first presence in the room, sent before it can have heard anybody
   *   else's: only then may it take an id over
   * @returns whether one of the entries was a leave, which is to be told at once; whether one was ignored for want of memory
   */
  apply(
    owner: PresenceOwner,
    entries: readonly AwarenessEntry[],
    first: boolean,
    now: number,
  ): { left: boolean; full: boolean } {
    let left = false
    let full = false
    const before = this.held
    const claims = first && entries.length === 1
    for (const entry of entries) {
      const current = this.entries.get(entry.clientId)
      if (current === undefined) {
        if (entry.state === null || !this.mayShow(owner, entry, entries.length, first)) continue
        if (this.fits(entryBytes + entry.state.length, before))
          this.show(owner, entry, claims ? now : -Infinity, now)
        else full = true
        continue
      }
      if (current.owner !== owner) {
        if (!(claims && entry.state !== null && current.owner.user === owner.user)) continue
        this.give(entry.clientId, current, { owner, node: null })
        current.claimed = now
      } else if (isEcho(entry, current)) {
        continue
      }
      if (entry.state === null) {
        this.remove(entry.clientId, Math.max(entry.clock, current.clock + 1), null, now)
        left = true
      } else if (!this.fits(entry.state.length - current.state.length, before)) {
        full = true
      } else {
        current.clock = current.base = Math.max(entry.clock, current.clock + 1)
        this.setState(current, entry.state)
        noteRaised(current, entry.clock)
        this.changed(entry.clientId)
      }
    }
    return { left, full }
  }

  /** Whether there is room for so much more, when so much was held as memory was last accounted for. */
  private fits(more: number, before: number): boolean {
    if (more <= 0) return true
    return this.held + more <= maxPresenceBytes && this.limits.fits?.(this.held + more - before) !== false
  }

  private setState(entry: PresenceEntry, state: string): void {
    this.held += state.length - entry.state.length
    entry.state = state
  }

  /**
   * Takes what another node says of its connections.
   * @param whole whether that is all that they show
   * @returns whether something left
   */
  hear(node: NodeId, entries: readonly BusPresence[], whole: boolean, now: number): { left: boolean } {
    let left = false
    for (const entry of entries) left = this.hearOne(node, entry, now) || left
    if (whole) {
      const shown = new Set(entries.map(({ clientId }) => clientId))
      for (const id of this.owned.of(node)) {
        if (shown.has(id)) continue
        this.lose(id, now)
        left = true
      }
    }
    return { left }
  }

  /** Another node is gone, and its connections with it. @returns whether they showed any */
  dropNode(node: NodeId, now: number): boolean {
    return this.loseAll(node, now)
  }

  /** A connection left the room or closed: its ids go. @returns whether it showed any */
  drop(owner: PresenceOwner, now: number): boolean {
    return this.loseAll(owner, now)
  }

  /** Whose the ids in `snapshot` are. */
  users(): PresenceUser[] {
    return [...this.entries].map(([id, { owner }]) => ({ id, user: owner.user }))
  }

  /** Ids of which `takeChanges` has something to tell. */
  get changes(): number {
    return this.dirty.size
  }

  /**
   * What changed and was not given out yet: all leaves, and of the states, those first that wait longest, about so many bytes.
   * @returns null when there is nothing
   */
  takeChanges(maxBytes = Infinity): PresenceChanges | null {
    const taken: AwarenessEntry[] = []
    const users: PresenceUser[] = []
    let bytes = 0
    for (const id of this.dirty) {
      const entry = this.read(id)
      if (entry.state !== null) {
        if (bytes >= maxBytes) continue
        bytes += entry.state.length + wireBytes
      }
      taken.push(entry)
      this.dirty.delete(id)
      const user = this.entries.get(id)?.owner.user
      if (user === undefined) this.announced.delete(id)
      else if (this.announced.get(id) !== user) {
        this.announced.set(id, user)
        users.push({ id, user })
      }
    }
    return taken.length === 0 ? null : { update: writeAwareness(taken), users }
  }

  /** What other nodes are to hear since the last call. */
  takeTold(): BusPresence[] {
    const told = [...this.raises.values()]
    for (const id of this.untold) {
      const entry = this.entries.get(id) ?? this.gone.get(id)
      if (entry?.node === null) told.push(toldOf(id, entry))
    }
    this.raises.clear()
    this.untold.clear()
    return told
  }

  /** Everything that connections of this node show. */
  whole(): BusPresence[] {
    const told: BusPresence[] = []
    for (const [id, entry] of this.entries) if (entry.node === null) told.push(toldOf(id, entry))
    return told
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
    if (this.owned.count(owner) >= this.limits.entriesPerConnection) return false
    if (first) return true
    // Later frames may hold what the client heard of others: of several ids none is taken as its own. Someone who has
    // just left is remembered, and does not come back as a ghost because somebody's echo was late: an echo's clock is
    // before that of the leave, and one who is still there and says so (as y-protocols does when it hears of its own
    // leave) comes with a later one.
    const gone = this.gone.get(entry.clientId)
    if (gone !== undefined && entry.clock > gone.clock) return true
    return count === 1 && (gone === undefined || gone.owner === owner)
  }

  private show(owner: PresenceOwner, entry: AwarenessEntry, claimed: number, now: number): void {
    const clock = this.nextClock(entry)
    const shown = entryOf({ owner, node: null }, clock, clock, entry.state ?? 'null')
    shown.claimed = claimed
    noteRaised(shown, entry.clock)
    this.add(entry.clientId, shown, now)
  }

  /** @returns whether it was a leave */
  private hearOne(node: NodeId, told: BusPresence, now: number): boolean {
    const { clientId, clock, state } = told
    const current = this.entries.get(clientId)
    const holder: Holder = { owner: { user: told.user, connection: told.connection }, node }
    if (current === undefined) {
      if (state === null) return false
      const gone = this.gone.get(clientId)
      // Overtaken on its way by its own leave.
      if (gone !== undefined && gone.told !== null && sameConnection(gone, holder) && clock <= gone.told)
        return false
      if (!this.fits(entryBytes + state.length, this.held)) return false
      const shown = entryOf(holder, this.nextClock(told), clock, state)
      this.add(clientId, shown, now)
      this.checkClock(clientId, shown)
      return false
    }
    if (state === null) {
      const mine = current.node === null && current.owner.connection === told.connection
      if (mine && clock >= current.clock && now - current.raisedAt >= raiseEveryMs) {
        current.raisedAt = now
        this.raise(current, told)
      }
      // By node and clock, not by connection: what one connection shows and the next takes over and leaves within a tick
      // is told as the leave of the second.
      if (current.node !== node || clock <= current.base) return false
      this.remove(clientId, Math.max(clock, current.clock + 1), clock, now)
      return true
    }
    if (current.node === node ? clock <= current.base : !outranks(told, current)) {
      // A claim that has lost: its node has not heard of ours. Or a repetition.
      if (current.node === null) this.untold.add(clientId)
      else if (current.node === node && clock === current.base) this.checkClock(clientId, current)
      return false
    }
    if (current.node === null && this.defends(current, told, now)) {
      current.claimed = -Infinity
      this.raise(current, told)
      return false
    }
    this.give(clientId, current, holder)
    current.clock = Math.max(clock, current.clock + 1)
    current.base = clock
    this.setState(current, state)
    current.raised = []
    this.dirty.add(clientId)
    this.checkClock(clientId, current)
    return false
  }

  /** Whether a connection of this node that has just claimed its id keeps it: the other one is its half-open socket. */
  private defends(current: PresenceEntry, told: BusPresence, now: number): boolean {
    return now - current.claimed < defendMs && current.owner.user === told.user
  }

  /** Goes beyond what others have announced of an id of this node: else its clients would not see the next state. */
  private raise(current: PresenceEntry, { clientId, clock }: BusPresence): void {
    current.clock = current.base = clock + 1
    noteRaised(current, clock)
    this.changed(clientId)
  }

  /** Tells the owner's node when this one has announced a higher clock than it knows of. */
  private checkClock(clientId: number, entry: PresenceEntry): void {
    if (entry.clock > entry.base) this.raises.set(clientId, { ...toldOf(clientId, entry), state: null })
    else this.raises.delete(clientId)
  }

  private loseAll(owner: PresenceOwner | NodeId, now: number): boolean {
    const ids = this.owned.of(owner)
    for (const id of ids) this.lose(id, now)
    return ids.length > 0
  }

  /** Removes what this node has reason to think gone, without a word of the owner's node. */
  private lose(clientId: number, now: number): void {
    const entry = this.entries.get(clientId)
    if (entry !== undefined) this.remove(clientId, entry.clock + 1, null, now)
  }

  private nextClock({ clientId, clock }: { readonly clientId: number; readonly clock: number }): number {
    const gone = this.gone.get(clientId)
    return gone === undefined ? clock : Math.max(clock, gone.clock + 1)
  }

  private add(clientId: number, shown: PresenceEntry, now: number): void {
    this.entries.set(clientId, shown)
    this.held += entryBytes + shown.state.length
    this.gone.delete(clientId)
    this.owned.add(shown, clientId)
    this.changed(clientId)
    this.forget(now)
  }

  private remove(clientId: number, clock: number, told: number | null, now: number): void {
    const entry = this.entries.get(clientId)
    if (entry === undefined) return
    const { owner, node } = entry
    this.entries.delete(clientId)
    this.held -= entryBytes + entry.state.length
    this.raises.delete(clientId)
    this.owned.remove(entry, clientId)
    this.gone.add(clientId, { owner, node, clock, at: now, told }, (id) => {
      this.dirty.delete(id)
      this.untold.delete(id)
      this.announced.delete(id)
    })
    this.changed(clientId)
    this.forget(now)
  }

  /** Those here hear of it; other nodes too, if it is of this node when it is told. */
  private changed(clientId: number): void {
    this.dirty.add(clientId)
    this.untold.add(clientId)
  }

  private give(clientId: number, entry: PresenceEntry, to: Holder): void {
    this.owned.remove(entry, clientId)
    entry.owner = to.owner
    entry.node = to.node
    entry.claimed = -Infinity
    this.owned.add(entry, clientId)
  }

  private forget(now: number): void {
    this.gone.forget(now, (id) => this.dirty.has(id) || this.untold.has(id))
  }
}
