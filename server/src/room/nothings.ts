import { contentKey, type Inspection } from '../crdt/index.js'
import type { LoopLine } from '../tenants/index.js'
import { dropOldest } from './drop-oldest.js'

/** Hashes kept per room. */
const maxKept = 1024
/** Updates kept as they are, their bytes, and for how long: to compare is twenty times faster than to hash, in a storm. */
const maxRecent = 8
const maxRecentBytes = 256 * 1024
const recentMs = 10_000
/** Different ones that look alike and are looked into at once: beyond that each is looked into by itself. */
const maxAlike = 8

/** What became of looking into an update. */
export interface Looked {
  /** Without what is known, where that was left out. */
  readonly update: Uint8Array
  /** Null where the answer was known. */
  readonly inspection: Inspection | null
  /** The update adds nothing to what is committed. */
  readonly nothing: boolean
}

interface Look {
  readonly update: Uint8Array
  /** Null when it failed. */
  readonly looked: Promise<Looked | null>
}

/**
 * The updates of which is known, or being found out, that they add nothing to a document. After a restart everybody in sync sends
 * the same one, all deletes of the document: it is looked into once. Content only grows: what adds nothing now never does. What
 * adds something may not the next time.
 */
export class Nothings {
  private readonly keys = new Set<string>()
  private recent: Uint8Array[] = []
  private recentTimer: NodeJS.Timeout | null = null
  /** What is being looked into, by what it looks like. */
  private readonly looks = new Map<number, Look[]>()

  /**
   * Looks into an update, or waits for who looks into the same bytes, from the call on: before anything is awaited.
   * @param loop whose turns it takes: other changes may come in as large a storm
   * @throws what `look` does: the next of those who wait then looks
   */
  async find(
    update: Uint8Array,
    loop: Pick<LoopLine, 'inTurn'>,
    look: () => Promise<Looked>,
  ): Promise<Looked> {
    for (;;) {
      if (this.recent.some((other) => isSame(other, update))) return knownNothing(update)
      const alike = likenessOf(update)
      const others = this.looks.get(alike) ?? []
      const same = others.find((other) => isSame(other.update, update))
      if (same === undefined)
        return await this.share(update, alike, others, () => this.lookUp(update, loop, look))
      const looked = await same.looked
      if (looked !== null) return looked
    }
  }

  /** Looks, where the same bytes have not been found to add nothing before. */
  private async lookUp(
    update: Uint8Array,
    loop: Pick<LoopLine, 'inTurn'>,
    look: () => Promise<Looked>,
  ): Promise<Looked> {
    const key = await loop.inTurn(() => contentKey(update))
    const looked = this.keys.has(key) ? knownNothing(update) : await look()
    if (looked.nothing) this.keep(update, key)
    return looked
  }

  /** Others who bring the same bytes meanwhile wait for it. */
  private async share(
    update: Uint8Array,
    alike: number,
    others: readonly Look[],
    look: () => Promise<Looked>,
  ): Promise<Looked> {
    // Not within the call: its time is counted by itself.
    const looking = Promise.resolve().then(look)
    if (others.length < maxAlike) {
      const one = { update, looked: looking.catch(() => null) }
      this.looks.set(alike, [...others, one])
      const end = (): void => {
        const left = (this.looks.get(alike) ?? []).filter((other) => other !== one)
        if (left.length > 0) this.looks.set(alike, left)
        else this.looks.delete(alike)
      }
      looking.then(end, end)
    }
    return await looking
  }

  private keep(update: Uint8Array, key: string): void {
    dropOldest(this.keys, maxKept)
    this.keys.add(key)
    if (update.length > maxRecentBytes) return
    let bytes = 0
    this.recent = [update, ...this.recent].filter(
      ({ length }, place) => place < maxRecent && (bytes += length) <= maxRecentBytes,
    )
    this.recentTimer ??= setTimeout(() => {
      this.recentTimer = null
      this.recent = []
    }, recentMs).unref()
  }
}

const knownNothing = (update: Uint8Array): Looked => ({ update, inspection: null, nothing: true })

const isSame = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && Buffer.compare(a, b) === 0

/** A number that is the same for the same bytes, from a few of them. */
const likenessOf = (update: Uint8Array): number => {
  const step = Math.max(1, Math.floor(update.length / 64))
  let likeness = update.length
  for (let at = 0; at < update.length; at += step)
    likeness = (Math.imul(likeness, 31) + (update[at] ?? 0)) | 0
  return likeness
}
