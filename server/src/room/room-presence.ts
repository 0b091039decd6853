/*
 * The presence of a room on this node and on the others. Nodes that open a room ask for it (`presence_wanted`), those that
 * have it open answer with all that their connections show, and from then on tell what changes.
 */
import type { AwarenessEntry, PresenceUser } from '@weft/protocol'
import type { Bus, BusMessage, BusPresence, NodeId } from '../bus/index.js'
import type { RoomId } from '../ids.js'
import { guarded } from './guard.js'
import type { PresenceOwner } from './presence-owner.js'
import { PresenceTable, type PresenceLimits } from './presence.js'
import { PresenceTicker } from './presence-ticker.js'
import type { RoomObserver, RoomOutput } from './types.js'

/**
 * How long nodes have to answer when all of a room's presence is asked for, in milliseconds. One that does not has no
 * connections in the room any more: it has closed the room, or is gone.
 */
export const answerMs = 3_000

/** A timer that fires so much too late shows that this node was frozen: what has come meanwhile is not read yet. */
export const frozenMs = 2_000

/** Answers are gathered so long, in milliseconds: when all nodes ask at once, one answer serves them all. */
const gatherMs = 100

export class RoomPresence {
  private readonly room: RoomId
  private readonly bus: Bus
  private readonly observer: RoomObserver
  private readonly table: PresenceTable
  private readonly ticker: PresenceTicker
  /** Nodes that show something here and have not answered the last question, and whether they said anything since. */
  private readonly silent = new Map<NodeId, { spoke: boolean }>()
  private silence: NodeJS.Timeout | null = null
  private answered = -Infinity
  private answering: NodeJS.Timeout | null = null

  constructor(room: RoomId, bus: Bus, output: RoomOutput, observer: RoomObserver, limits: PresenceLimits) {
    this.room = room
    this.bus = bus
    this.observer = observer
    this.table = new PresenceTable(limits)
    this.ticker = new PresenceTicker(this.table, output, observer, (entries) => {
      if (entries.length > 0) this.tell(entries, false)
    })
  }

  /** Ids shown now, by connections of all nodes. */
  get size(): number {
    return this.table.size
  }

  /** The memory that it takes, in bytes. */
  get bytes(): number {
    return this.table.bytes
  }

  /** What a member of this node shows; see `PresenceTable.apply`. @returns whether there was room for it */
  apply(owner: PresenceOwner, entries: readonly AwarenessEntry[], first: boolean): boolean {
    const { left, full } = this.table.apply(owner, entries, first, performance.now())
    this.ticker.changed(left)
    return !full
  }

  /** A member of this node left. */
  drop(owner: PresenceOwner): void {
    if (this.table.drop(owner, performance.now())) this.ticker.changed(true)
  }

  /** Everybody's state as one awareness update, or null when nobody shows any. */
  snapshot(): Uint8Array | null {
    return this.table.snapshot()
  }

  /** Whose the ids in `snapshot` are. */
  users(): PresenceUser[] {
    return this.table.users()
  }

  /** Another node says what its connections show. */
  heard(message: Extract<BusMessage, { kind: 'presence' }>, from: NodeId): void {
    const silent = this.silent.get(from)
    if (message.whole) this.silent.delete(from)
    else if (silent !== undefined) silent.spoke = true
    const { left } = this.table.hear(from, message.entries, message.whole, performance.now())
    this.ticker.changed(left)
  }

  /** Asks the other nodes for all that their connections show. */
  ask(): void {
    if (this.bus.isAlone) return
    this.bus.publish(this.room, { kind: 'presence_wanted' })
    this.silent.clear()
    for (const node of this.table.nodes) this.silent.set(node, { spoke: false })
    if (this.silent.size > 0) this.awaitAnswers()
  }

  /** Another node asks. The answer may be empty: what that node believes of this one may be out of date. */
  answer(): void {
    if (this.answering !== null) return
    const wait = this.answered + gatherMs - performance.now()
    if (wait <= 0) this.answerNow()
    else
      this.answering = setTimeout(
        guarded(this.observer, 'answering for presence', () => this.answerNow()),
        wait,
      )
  }

  /** The bus works again: what was said meanwhile may be lost, on both sides. */
  healed(): void {
    this.answer()
    this.ask()
  }

  /** Another node is gone, and its connections with it. */
  dropNode(node: NodeId): void {
    if (this.table.dropNode(node, performance.now())) this.ticker.changed(true)
  }

  dispose(): void {
    if (this.silence !== null) clearTimeout(this.silence)
    if (this.answering !== null) clearTimeout(this.answering)
    this.silence = this.answering = null
    this.ticker.dispose()
  }

  private awaitAnswers(): void {
    if (this.silence !== null) clearTimeout(this.silence)
    const due = performance.now() + answerMs
    this.silence = setTimeout(
      guarded(this.observer, 'dropping the presence of silent nodes', () => this.dropSilent(due)),
      answerMs,
    )
  }

  private dropSilent(due: number): void {
    this.silence = null
    // It is asked again when the bus heals.
    if (!this.bus.isHealthy) return
    // An answer may be on its way still: a frozen Redis is noticed only later.
    if (this.bus.isDoubtful === true || performance.now() - due > frozenMs) {
      this.ask()
      return
    }
    let someSpoke = false
    for (const [node, { spoke }] of this.silent) {
      // It has the room open, maybe again: the question came before, or the answer is lost, and what it shows now would
      // go with what it showed then.
      if (spoke) someSpoke = true
      else this.dropNode(node)
    }
    if (someSpoke) this.ask()
  }

  private answerNow(): void {
    this.answering = null
    this.answered = performance.now()
    this.tell(this.table.whole(), true)
  }

  private tell(entries: readonly BusPresence[], whole: boolean): void {
    if (!this.bus.isAlone) this.bus.publish(this.room, { kind: 'presence', whole, entries })
  }
}
