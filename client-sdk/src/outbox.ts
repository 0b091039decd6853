/* The changes of one room that the server has not acknowledged, in order. Pure. */
import * as Y from 'yjs'

/** Edits made while nothing can be sent are gathered in one change up to this size, in bytes. */
const gatherBytes = 64 * 1024

/** A change with its number. Its bytes are fixed when it is first sent: a retry must carry the same (P21). */
export interface Change {
  readonly kind: 'update'
  readonly n: number
  /** How many local edits it holds. */
  readonly edits: number
  readonly update: Uint8Array
}

interface Entry {
  readonly n: number
  readonly solo: boolean
  edits: number
  bytes: number
  parts: Uint8Array[]
  sent: Change | null
}

export class Outbox {
  private entries: Entry[] = []
  /** Index of the first entry that was not sent on this connection. */
  private cursor = 0
  private next: number
  private held = false
  private edits = 0

  /** @param first the number of the first change: one more than the last that this client used in this room */
  constructor(first = 1) {
    this.next = first
  }

  /** The number that the next change gets. */
  get nextNumber(): number {
    return this.next
  }

  /** The highest number given so far; one below the first when none was. */
  get lastNumber(): number {
    return this.next - 1
  }

  /** Local edits that are not settled. */
  get unsaved(): number {
    return this.edits
  }

  /** The lowest number that is not settled, or null when all is. */
  get firstNumber(): number | null {
    return this.entries[0]?.n ?? null
  }

  /**
   * Takes a local change. One that was never sent, and so has no meaning for the server yet, takes in those that
   * follow it: a burst of keystrokes, or an hour of them offline, becomes one change.
   * @param solo keep it apart from others
   * @returns the number of the change that it became part of
   */
  add(update: Uint8Array, solo = false): number {
    this.edits++
    const tail = this.entries.at(-1)
    if (
      tail !== undefined &&
      tail.sent === null &&
      !tail.solo &&
      !solo &&
      tail.bytes + update.length <= gatherBytes
    ) {
      tail.parts.push(update)
      tail.bytes += update.length
      tail.edits++
      return tail.n
    }
    const n = this.next++
    this.entries.push({ n, solo, edits: 1, bytes: update.length, parts: [update], sent: null })
    return n
  }

  /** The next change to send, marked as sent; undefined when there is none, or sending is held. */
  take(): Change | undefined {
    const entry = this.held ? undefined : this.entries[this.cursor]
    if (entry === undefined) return undefined
    this.cursor++
    return freeze(entry)
  }

  /** The connection is gone: everything that is left is sent again on the next one, in order (P21). */
  rewind(): void {
    this.cursor = 0
    this.held = false
  }

  /** Sends nothing until {@link release}, then `n` and all after it again (P23). */
  holdFrom(n: number): void {
    const index = this.entries.findIndex((entry) => entry.n >= n)
    if (index !== -1) this.cursor = Math.min(this.cursor, index)
    this.held = true
  }

  release(): void {
    this.held = false
  }

  get isHeld(): boolean {
    return this.held
  }

  /**
   * Everything up to `n` is committed (P22), also what is held back to be sent again. Returns whether that settled
   * anything.
   */
  acknowledge(n: number): boolean {
    let count = 0
    for (const entry of this.entries) {
      // What was never sent cannot be committed, whatever the server says.
      if (entry.n > n || entry.sent === null) break
      this.edits -= entry.edits
      count++
    }
    if (count === 0) return false
    this.entries.splice(0, count)
    this.cursor = Math.max(0, this.cursor - count)
    return true
  }

  /** Change `n` was refused for good. Returns it, or undefined when it is not here. */
  refuse(n: number): Change | undefined {
    const index = this.entries.findIndex((entry) => entry.n === n)
    const entry = this.entries[index]
    if (entry === undefined) return undefined
    this.entries.splice(index, 1)
    if (index < this.cursor) this.cursor--
    this.edits -= entry.edits
    return freeze(entry)
  }

  /** Everything that is not settled, oldest first. */
  pending(): Change[] {
    return this.entries.map(view)
  }

  /** Gives everything up. Numbers go on: they are never used twice (P27). */
  clear(): Change[] {
    const lost = this.pending()
    this.entries = []
    this.cursor = 0
    this.held = false
    this.edits = 0
    return lost
  }
}

const merged = (entry: Entry): Uint8Array => {
  const [only] = entry.parts
  if (entry.parts.length === 1 && only !== undefined) return only
  // Merged once, however often it is asked for.
  const update = Y.mergeUpdates(entry.parts)
  entry.parts = [update]
  entry.bytes = update.length
  return update
}

const view = (entry: Entry): Change =>
  entry.sent ?? { kind: 'update', n: entry.n, edits: entry.edits, update: merged(entry) }

const freeze = (entry: Entry): Change => (entry.sent ??= view(entry))
