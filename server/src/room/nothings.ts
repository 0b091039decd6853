import { contentKey } from '../crdt/index.js'

/** Hashes kept per room. */
const maxKept = 1024
/** Updates kept as they are, their bytes, and for how long: to compare is twenty times faster than to hash, in a storm. */
const maxRecent = 8
const maxRecentBytes = 256 * 1024
const recentMs = 10_000
/** Smaller updates are looked at faster than they are hashed. */
const minBytes = 512

/**
 * The updates of which is known that they add nothing to a document: after a restart everybody in sync sends the same one, all
 * deletes of the document. Content only grows: what adds nothing now never does. What adds something may not the next time.
 */
export class Nothings {
  private readonly keys = new Set<string>()
  private recent: { readonly update: Uint8Array; readonly answer: Promise<boolean> }[] = []

  /** Whether the same bytes add nothing, where that was asked lately or is being looked into. Takes microseconds. */
  same(update: Uint8Array): Promise<boolean> | undefined {
    if (update.length < minBytes) return undefined
    return this.recent.find((other) => isSame(other.update, update))?.answer
  }

  /** Whether the same bytes were found to add nothing. Takes as long as to hash them. */
  has(update: Uint8Array): boolean {
    return update.length >= minBytes && this.keys.has(contentKey(update))
  }

  /**
   * Looks into an update: whoever asks about the same bytes meanwhile gets this answer, from the call on.
   * @throws what `look` does; the others are told "something", and look for themselves
   */
  async find<T extends { readonly nothing: boolean }>(
    update: Uint8Array,
    look: () => Promise<T>,
  ): Promise<T> {
    if (update.length < minBytes) return await look()
    const looked = look()
    const answer = looked.then(
      ({ nothing }) => nothing,
      () => false,
    )
    this.remember(update, answer)
    const forget = (): void => {
      this.recent = this.recent.filter((other) => other.answer !== answer)
    }
    setTimeout(forget, recentMs).unref()
    if (await answer) this.keep(contentKey(update))
    else forget()
    return await looked
  }

  private remember(update: Uint8Array, answer: Promise<boolean>): void {
    let bytes = 0
    this.recent = [{ update, answer }, ...this.recent].filter(
      ({ update }, place) => place < maxRecent && (bytes += update.length) <= maxRecentBytes,
    )
  }

  private keep(key: string): void {
    const oldest = this.keys.values().next()
    if (this.keys.size >= maxKept && !oldest.done) this.keys.delete(oldest.value)
    this.keys.add(key)
  }
}

const isSame = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && Buffer.compare(a, b) === 0
