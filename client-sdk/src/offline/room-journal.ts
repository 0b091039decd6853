/* One room in the database: gathers what the room tells, and writes it in one transaction after the other. */
import * as Y from 'yjs'
import type { Clock } from '../clock.js'
import type { Change } from '../outbox.js'
import type { KeptRoom, RoomSource, RoomStore } from '../persistence.js'
import type { Carried } from './carried.js'
import { result, type Database, type StoreName } from './database.js'
import { keysUnder, readRoom, type ChangeRecord, type RoomRecord, type TabRecord } from './records.js'

/** The pieces of a document are merged when they pass this many bytes and a quarter of the document, or this many. */
const compactBytes = 256 * 1024
const compactPieces = 500

/** How long news of others may wait to be written, in milliseconds: the server has it, and it may come in floods. */
const calm = 250

/** What a journal needs of its session. */
export interface JournalHost {
  readonly clock: Clock
  readonly scope: string
  readonly clientId: string
  /** The database, once the tab has its lock and closed tabs were looked after; null when there is none. */
  readonly ready: Promise<Database | null>
  readonly carried: Carried
  /** What the record of this tab says. */
  readonly tab: TabRecord
  /** The database does not take it: nothing is kept any more. */
  failed(thrown: unknown): void
  /** What was kept of a room was of no use and has been removed. */
  removed(room: string, reason: unknown): void
  /** The room was left. */
  closed(journal: RoomJournal): void
}

interface Waiting {
  readonly turn: number
  readonly resolve: (kept: boolean) => void
}

export class RoomJournal implements RoomStore {
  private readonly name: string
  private readonly source: RoomSource
  private readonly host: JournalHost
  private database: Database | null = null
  private ended = false
  /** The life of the room's record that the document is written to. */
  private life: number | null = null
  private counter = 0

  private readonly dirty = new Set<number>()
  private readonly gone = new Set<number>()
  private settledTo = 0
  private deletedTo = 0
  private updates: Uint8Array[] = []
  private watermark: number | null = null
  /** The server has just said which epoch the room has: another one in the record is the past. */
  private confirmed = false
  /** What is kept of the document is replaced by the document. */
  private renew = false

  /** Counts what was told; then how much of it is to be written now, is in a transaction, and is durable. */
  private told = 0
  private wanted = 0
  private taken = 0
  private durable = 0
  private writing = false
  private cancelCalm: (() => void) | null = null
  private waiting: Waiting[] = []

  constructor(name: string, source: RoomSource, host: JournalHost) {
    this.name = name
    this.source = source
    this.host = host
  }

  get carried(): readonly Change[] {
    return this.host.carried.of(this.name)
  }

  outdated(epoch: number): readonly Change[] {
    return this.host.carried.outdated(this.name, epoch)
  }

  giveUp(carried: readonly Change[]): void {
    this.host.carried.giveUp(this.name, carried)
  }

  async load(): Promise<KeptRoom | null> {
    const database = await this.host.ready
    let kept: KeptRoom | null = null
    if (database !== null) {
      try {
        kept = await this.read(database)
      } catch (thrown) {
        this.host.failed(thrown)
      }
    }
    if (database === null) this.end()
    this.database = database
    this.host.carried.enter(this.name, this.source)
    this.write()
    return kept
  }

  damaged(reason: unknown): void {
    this.host.removed(this.name, reason)
    this.watermark = null
    this.renew = true
    this.tell()
  }

  changed(n: number): void {
    this.dirty.add(n)
    this.tell()
  }

  applied(updates: readonly Uint8Array[]): void {
    if (updates.length === 0 || this.ended) return
    this.updates.push(...updates)
    this.tellCalmly()
  }

  position(watermark: number): void {
    this.watermark = watermark
    this.tellCalmly()
  }

  joined(): void {
    this.confirmed = true
    this.tell()
    this.host.carried.joined(this.name, this.source.epoch)
  }

  settled(n: number): void {
    if (n <= this.settledTo) return
    this.settledTo = n
    this.tell()
  }

  dropped(n: number): void {
    this.gone.add(n)
    this.tell()
  }

  replaced(): void {
    this.updates = []
    this.watermark = null
    this.renew = true
    this.tell()
  }

  stored(): Promise<boolean> {
    if (this.ended) return Promise.resolve(false)
    if (this.database !== null && this.durable === this.told) return Promise.resolve(true)
    return new Promise((resolve) => {
      this.waiting.push({ turn: this.told, resolve })
      this.write()
    })
  }

  close(): void {
    this.host.carried.leave(this.name, this.source)
    this.host.closed(this)
  }

  /** Nothing is written any more. */
  end(): void {
    this.ended = true
    this.updates = []
    this.dirty.clear()
    this.gone.clear()
    for (const { resolve } of this.waiting) resolve(false)
    this.waiting = []
  }

  private tell(): void {
    if (this.ended) return
    this.told++
    this.write()
  }

  private tellCalmly(): void {
    if (this.ended) return
    this.told++
    this.cancelCalm ??= this.host.clock.after(calm, () => this.write())
  }

  /** Sees to it that everything told so far gets written. */
  private write(): void {
    this.wanted = this.told
    this.cancelCalm?.()
    this.cancelCalm = null
    if (this.database === null || this.writing) return
    this.writing = true
    void this.writeWanted(this.database)
  }

  /** Never rejects. */
  private async writeWanted(database: Database): Promise<void> {
    // A turn later, so that one burst of edits is one transaction.
    await Promise.resolve()
    try {
      while (this.taken < this.wanted && !this.ended) {
        const record = await this.writeOnce(database)
        this.durable = this.taken
        this.answer()
        if (record !== null && isLong(record)) await this.compact(database)
      }
    } catch (thrown) {
      this.host.failed(thrown)
    }
    // In the same turn as the last look at `wanted`.
    this.writing = false
  }

  private answer(): void {
    const due = this.waiting.filter(({ turn }) => turn <= this.durable)
    this.waiting = this.waiting.filter(({ turn }) => turn > this.durable)
    for (const { resolve } of due) resolve(true)
  }

  /** Writes everything told so far, in one transaction. @returns the room's record, if it was written */
  private writeOnce(database: Database): Promise<RoomRecord | null> {
    return database.run('readwrite', ['tabs', 'rooms', 'updates', 'outbox'], async (store) => {
      const { scope, clientId, tab } = this.host
      const key = [scope, this.name]
      const before = readRoom(await result(store('rooms').get(key)))
      // From here to the end nothing is awaited: document, changes and position are those of one moment.
      this.taken = this.told
      store('tabs').put(tab, [scope, clientId])
      this.writeChanges(store('outbox'))
      return this.writeDocument(store, key, before)
    })
  }

  private writeChanges(outbox: IDBObjectStore): void {
    const { scope, clientId } = this.host
    const keyOf = (n: number): IDBValidKey => [scope, clientId, this.name, n]
    if (this.settledTo > this.deletedTo) {
      outbox.delete(IDBKeyRange.bound(keyOf(0), keyOf(this.settledTo)))
      this.deletedTo = this.settledTo
    }
    for (const n of this.gone) outbox.delete(keyOf(n))
    for (const n of this.dirty) {
      const change = this.source.change(n)
      if (change === undefined) continue
      const record: ChangeRecord = { epoch: this.source.epoch, change }
      outbox.put(record, keyOf(n))
    }
    this.gone.clear()
    this.dirty.clear()
  }

  private writeDocument(
    store: (name: StoreName) => IDBObjectStore,
    key: readonly string[],
    before: RoomRecord | null,
  ): RoomRecord | null {
    const { confirmed, renew, watermark, updates } = this
    const { epoch } = this.source
    this.confirmed = this.renew = false
    this.updates = []
    let record = before
    const foreign = before !== null && before.epoch !== null && epoch !== null && before.epoch !== epoch
    // Without word from the server nobody knows whether this tab or the record is behind.
    if (foreign && !confirmed && !renew) return null
    if (foreign || renew) {
      store('updates').delete(keysUnder(key))
      record = null
    }
    const adds = record !== null && record.life === this.life
    const pieces = adds ? updates : [this.source.document()]
    const { life, base, tail, pieces: count } = record ?? newRecord()
    const piece = merged(pieces)
    for (const bytes of piece) store('updates').put(bytes, [...key, this.host.clientId, ++this.counter])
    const after: RoomRecord = {
      life,
      epoch: epoch ?? record?.epoch ?? null,
      // Each tab's document is complete up to its own position, and the record holds them all.
      watermark:
        watermark === null ? (record?.watermark ?? null) : Math.max(watermark, record?.watermark ?? 0),
      base: record === null ? sizeOf(piece) : base,
      tail: record === null ? 0 : tail + sizeOf(piece),
      pieces: count + piece.length,
    }
    store('rooms').put(after, [...key])
    this.life = life
    return after
  }

  /** Merges the pieces of the document into one. */
  private async compact(database: Database): Promise<void> {
    const key = [this.host.scope, this.name]
    await database.run('readwrite', ['rooms', 'updates'], async (store) => {
      const record = readRoom(await result(store('rooms').get(key)))
      const pieces: unknown[] = await result(store('updates').getAll(keysUnder(key)))
      // Another tab was faster, or made it anew.
      if (record === null || record.life !== this.life || !isLong(record)) return
      const whole = this.whole(pieces.filter((piece) => piece instanceof Uint8Array))
      store('updates').delete(keysUnder(key))
      store('updates').put(whole, [...key, this.host.clientId, ++this.counter])
      store('rooms').put({ ...record, base: whole.length, tail: 0, pieces: 1 }, key)
    })
  }

  /** Through a document, not by `mergeUpdates`, so that deleted content goes. What does not apply ends the compaction. */
  private whole(pieces: readonly Uint8Array[]): Uint8Array {
    const doc = new Y.Doc({ gc: this.source.gc })
    for (const piece of pieces) Y.applyUpdate(doc, piece)
    const update = Y.encodeStateAsUpdate(doc)
    doc.destroy()
    return update
  }

  private async read(database: Database): Promise<KeptRoom | null> {
    const key = [this.host.scope, this.name]
    const [found, pieces] = await database.run('readonly', ['rooms', 'updates'], async (store) => {
      const asked = [
        result(store('rooms').get(key)),
        result(store('updates').getAll(keysUnder(key))),
      ] as const
      return [(await asked[0]) as unknown, (await asked[1]) as unknown[]] as const
    })
    if (found === undefined && pieces.length === 0) return null
    const record = readRoom(found)
    const updates = pieces.filter((piece) => piece instanceof Uint8Array)
    if (record === null || updates.length !== pieces.length || record.pieces !== pieces.length) {
      this.damaged(new Error(`what was kept of room '${this.name}' is not as it was written`))
      return null
    }
    this.life = record.life
    return { updates, epoch: record.epoch, watermark: record.watermark }
  }
}

const newRecord = (): RoomRecord => ({
  life: crypto.getRandomValues(new Uint32Array(1))[0] ?? 0,
  epoch: null,
  watermark: null,
  base: 0,
  tail: 0,
  pieces: 0,
})

const isLong = ({ base, tail, pieces }: RoomRecord): boolean =>
  tail > Math.max(compactBytes, base / 4) || pieces > compactPieces

const merged = (updates: readonly Uint8Array[]): readonly Uint8Array[] => {
  if (updates.length < 2) return updates
  try {
    return [Y.mergeUpdates([...updates])]
  } catch {
    // One of them is no update that this Yjs can read; it hurts nobody until the document is loaded, and is told there.
    return updates
  }
}

const sizeOf = (updates: readonly Uint8Array[]): number =>
  updates.reduce((sum, { length }) => sum + length, 0)
