/* The changes of one room that the server has not acknowledged, in order. Pure. */
import * as Y from './yjs.js'

/** Edits made while nothing can be sent are gathered in one change up to this size, in bytes. */
const gatherBytes = 64 * 1024

/** Edits of the document. */
export interface UpdateChange {
  readonly kind: 'update'
  readonly n: number
  /** How many local edits it holds. */
  readonly edits: number
  readonly update: Uint8Array
}

/** A durable message. */
export interface EventChange {
  readonly kind: 'event'
  readonly n: number
  readonly name: string
  /** MessagePack. */
  readonly payload: Uint8Array
}

/** The first content of an empty room. It is not in the document before it is committed. */
export interface SeedChange {
  readonly kind: 'seed'
  readonly n: number
  readonly update: Uint8Array
}

/** A change with its number. Its bytes are fixed when it is first sent: a retry must carry the same (P21). */
export type Change = UpdateChange | EventChange | SeedChange

interface Entry {
  readonly n: number
  /** On this connection or an earlier one. */
  sent: boolean
  /** Null while it may still take in others: edits that were never sent. */
  fixed: Change | null
  readonly solo: boolean
  edits: number
  bytes: number
  parts: Uint8Array[]
}

/** The changes of one room on their way to the server. */
export interface Outbox {
  /** The number that the next change gets. */
  readonly nextNumber: number
  /** Local edits and messages that are not settled. */
  readonly unsaved: number
  /** Every change below this one is settled: the lowest number that is not, or the next one. */
  readonly firstNumber: number
  readonly isHeld: boolean
  /**
   * Takes a local change. One that was never sent, and so has no meaning for the server yet, takes in those that
   * follow it: a burst of keystrokes, or an hour of them offline, becomes one change.
   * @param solo keep it apart from others
   * @returns the number of the change that it became part of
   */
  add(update: Uint8Array, solo?: boolean): number
  /** Takes a message, or the first content of a room. It stays where it is among the edits: they keep their order. */
  addFixed(make: (n: number) => Change): number
  /** The next change to send, marked as sent; undefined when there is none, or sending is held. */
  take(): Change | undefined
  /** The connection is gone: everything that is left is sent again on the next one, in order (P21). */
  rewind(): void
  /** Sends nothing until {@link release}, then `n` and all after it again (P23). */
  holdFrom(n: number): void
  release(): void
  /**
   * Everything up to `n` is committed (P22), also what is held back to be sent again.
   * @returns what that settled, oldest first
   */
  acknowledge(n: number): Change[]
  /** Change `n` was refused for good. Returns it, or undefined when it is not here. */
  refuse(n: number): Change | undefined
  /** A change that is not settled, as it is now. */
  find(n: number): Change | undefined
  /** The updates of the document that are not settled, oldest first. */
  readonly updates: Uint8Array[]
  /** Gives up everything from `n` on. Numbers go on: they are never used twice (P27). */
  clearFrom(n: number): Change[]
}

/** @param next the number of the first change: one more than the last that this client used in this room */
export const createOutbox = (next = 1): Outbox => {
  const entries: Entry[] = []
  /** Index of the first entry that was not sent on this connection. */
  let cursor = 0
  let held = false
  let unsaved = 0

  const push = (fixed: Change | null, solo: boolean, parts: Uint8Array[], bytes: number): number => {
    unsaved++
    entries.push({ n: next, sent: false, fixed, solo, edits: 1, bytes, parts })
    return next++
  }
  const indexOf = (test: (entry: Entry) => boolean): number => {
    const index = entries.findIndex(test)
    return index < 0 ? entries.length : index
  }
  const indexFrom = (n: number): number => indexOf((entry) => entry.n >= n)
  /** Takes the entries from one index to before another out. */
  const remove = (from: number, to: number): Change[] => {
    const changes = entries.splice(from, to - from).map(view)
    for (const change of changes) unsaved -= editsOf(change)
    cursor -= Math.max(0, Math.min(cursor, to) - from)
    return changes
  }

  return {
    get nextNumber() {
      return next
    },
    get unsaved() {
      return unsaved
    },
    get firstNumber() {
      return entries[0]?.n ?? next
    },
    get isHeld() {
      return held
    },
    get updates() {
      return updatesOf(entries.map(view))
    },
    add: (update, solo = false) => {
      const { length } = update
      const tail = entries.at(-1)
      if (!tail || tail.fixed || tail.solo || solo || tail.bytes + length > gatherBytes)
        return push(null, solo, [update], length)
      unsaved++
      tail.edits++
      tail.bytes += length
      tail.parts.push(update)
      return tail.n
    },
    addFixed: (make) => push(make(next), true, [], 0),
    take: () => {
      const entry = held ? undefined : entries[cursor]
      if (!entry) return undefined
      cursor++
      entry.sent = true
      return (entry.fixed = view(entry))
    },
    rewind: () => {
      cursor = 0
      held = false
    },
    holdFrom: (n) => {
      cursor = Math.min(cursor, indexFrom(n))
      held = true
    },
    release: () => {
      held = false
    },
    // What was never sent cannot be committed, whatever the server says.
    acknowledge: (n) =>
      remove(
        0,
        indexOf((entry) => entry.n > n || !entry.sent),
      ),
    refuse: (n) => {
      const index = indexFrom(n)
      return entries[index]?.n === n ? remove(index, index + 1)[0] : undefined
    },
    find: (n) => {
      const entry = entries.find((each) => each.n === n)
      return entry && view(entry)
    },
    clearFrom: (n) => {
      const lost = remove(indexFrom(n), entries.length)
      if (entries.length === 0) held = false
      return lost
    },
  }
}

/** How much a change counts as unsaved. */
export const editsOf = (change: Change): number => (change.kind === 'update' ? change.edits : 1)

/** The updates among changes, seeds left out: those are not in the document. */
export const updatesOf = (changes: readonly Change[]): Uint8Array[] =>
  changes.flatMap((change) => (change.kind === 'update' ? [change.update] : []))

const view = (entry: Entry): Change => {
  const { n, fixed, edits } = entry
  if (fixed) return fixed
  // Merged once, however often it is asked for.
  const update = Y.mergeUpdates(entry.parts)
  entry.parts = [update]
  entry.bytes = update.length
  return { kind: 'update', n, edits, update }
}
