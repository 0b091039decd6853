/* The changes of one room that the server has not acknowledged, in order. Pure. */
import * as Y from 'yjs'

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

/** A change that may still take in others: edits that were never sent. */
interface Gathering {
  readonly kind: 'gathering'
  readonly n: number
  readonly solo: boolean
  edits: number
  bytes: number
  parts: Uint8Array[]
}

interface Entry {
  readonly n: number
  sent: boolean
  content: Change | Gathering
}

export class Outbox {
  private entries: Entry[] = []
  /** Index of the first entry that was not sent on this connection. */
  private cursor = 0
  private next: number
  private held = false
  private count = 0

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

  /** Local edits and messages that are not settled. */
  get unsaved(): number {
    return this.count
  }

  /** Every change up to here is settled. */
  get settledTo(): number {
    return (this.entries[0]?.n ?? this.next) - 1
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
    this.count++
    const tail = this.entries.at(-1)?.content
    if (tail?.kind === 'gathering' && !tail.solo && !solo && tail.bytes + update.length <= gatherBytes) {
      tail.parts.push(update)
      tail.bytes += update.length
      tail.edits++
      return tail.n
    }
    const n = this.next++
    const content: Gathering = { kind: 'gathering', n, solo, edits: 1, bytes: update.length, parts: [update] }
    this.entries.push({ n, sent: false, content })
    return n
  }

  /** Takes a message. It stays where it is among the edits: they keep their order. */
  addEvent(name: string, payload: Uint8Array): number {
    return this.addFixed({ kind: 'event', n: this.next, name, payload })
  }

  /** Takes the first content of an empty room. */
  addSeed(update: Uint8Array): number {
    return this.addFixed({ kind: 'seed', n: this.next, update })
  }

  /** The next change to send, marked as sent; undefined when there is none, or sending is held. */
  take(): Change | undefined {
    const entry = this.held ? undefined : this.entries[this.cursor]
    if (entry === undefined) return undefined
    this.cursor++
    entry.sent = true
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
   * Everything up to `n` is committed (P22), also what is held back to be sent again.
   * @returns what that settled, oldest first
   */
  acknowledge(n: number): Change[] {
    // What was never sent cannot be committed, whatever the server says.
    const end = this.entries.findIndex((entry) => entry.n > n || !entry.sent)
    const settled = this.entries.splice(0, end === -1 ? this.entries.length : end)
    this.cursor = Math.max(0, this.cursor - settled.length)
    return settled.map((entry) => this.uncount(entry))
  }

  /** Change `n` was refused for good. Returns it, or undefined when it is not here. */
  refuse(n: number): Change | undefined {
    const index = this.entries.findIndex((entry) => entry.n === n)
    const entry = this.entries[index]
    if (entry === undefined) return undefined
    this.entries.splice(index, 1)
    if (index < this.cursor) this.cursor--
    return this.uncount(entry)
  }

  /** A change that is not settled, as it is now. */
  find(n: number): Change | undefined {
    const entry = this.entries.find((each) => each.n === n)
    return entry === undefined ? undefined : view(entry)
  }

  /** Everything that is not settled, oldest first. */
  pending(): Change[] {
    return this.entries.map(view)
  }

  /** Gives up everything from `n` on. Numbers go on: they are never used twice (P27). */
  clearFrom(n = 0): Change[] {
    const index = this.entries.findIndex((entry) => entry.n >= n)
    const lost = index === -1 ? [] : this.entries.splice(index)
    this.cursor = Math.min(this.cursor, this.entries.length)
    if (this.entries.length === 0) this.held = false
    return lost.map((entry) => this.uncount(entry))
  }

  private addFixed(change: Change): number {
    this.next++
    this.count++
    this.entries.push({ n: change.n, sent: false, content: change })
    return change.n
  }

  private uncount(entry: Entry): Change {
    const change = view(entry)
    this.count -= editsOf(change)
    return change
  }
}

/** How much a change counts as unsaved. */
export const editsOf = (change: Change): number => (change.kind === 'update' ? change.edits : 1)

const merged = (gathering: Gathering): Uint8Array => {
  const [only] = gathering.parts
  if (gathering.parts.length === 1 && only !== undefined) return only
  // Merged once, however often it is asked for.
  const update = Y.mergeUpdates(gathering.parts)
  gathering.parts = [update]
  gathering.bytes = update.length
  return update
}

const view = ({ content }: Entry): Change =>
  content.kind === 'gathering'
    ? { kind: 'update', n: content.n, edits: content.edits, update: merged(content) }
    : content

const freeze = (entry: Entry): Change => (entry.content = view(entry))
