import { isRetryable } from '@weft/protocol'
import { readPresences, writePresence } from '../pure/presence.js'
import { Receipts } from '../pure/receipts.js'
import type { Kept, Typist } from '../pure/typist.js'
import { stampLength } from '../pure/stamp.js'
import type { Link, LinkHandlers, LinkOptions, Memory } from './link.js'
import { type Counts, metrics } from './metrics.js'
import { WeftLink } from './weft-link.js'
import { YjsLink } from './yjs-link.js'

export type Protocol = 'weft' | 'yjs'

export interface MemberOptions {
  readonly protocol: Protocol
  readonly url: string
  readonly room: string
  readonly token: string | null
  readonly counts: Counts
  /** A number of this member's own among those of the run: its presence id. */
  readonly id: number
  readonly typist: Typist | null
  /** Whether it reads the presence of others, which costs the load machine much. */
  readonly observes?: boolean
}

/** The first retry comes within so many milliseconds; the bound doubles until `retryMaxMs`. */
const retryMs = 500
const retryMaxMs = 10_000
/** Close codes from 4400 to 4499: do not come back. */
const isFinal = (code: number): boolean => code >= 4400 && code < 4500

/** One client in one room. It comes back when its connection ends. */
export class Member implements LinkHandlers {
  readonly typist: Typist | null
  readonly receipts: Receipts
  isSynced = false
  private readonly options: MemberOptions
  private readonly memory: Memory = {
    clientId: new Uint8Array(crypto.getRandomValues(new Uint8Array(16))),
    epoch: null,
    after: null,
  }
  private link: Link | null = null
  private wasSynced = false
  private isStopped = false
  /** An update was refused for now: later ones wait until it has been sent again. */
  private isHeld = false
  private failures = 0
  private startedAt = 0
  /** Of the last sync. */
  syncBytes = 0
  private presenceClock = 0
  private lastSeen = new Map<number, number>()

  constructor(options: MemberOptions) {
    this.options = options
    this.typist = options.typist
    this.receipts = new Receipts(options.counts)
  }

  connect(): void {
    this.startedAt = Date.now()
    this.syncBytes = 0
    const { protocol, url, room, token } = this.options
    const options: LinkOptions = {
      url,
      room,
      token,
      memory: this.memory,
      clocks: () => {
        const clocks = this.receipts.clocks()
        return this.typist === null ? clocks : [...clocks, [this.typist.client, this.typist.clock]]
      },
      readsPresence: this.options.observes === true,
      handlers: this,
    }
    this.link = protocol === 'weft' ? new WeftLink(options) : new YjsLink(options)
  }

  /** Cuts the connection without a word, and comes back after `ms`. */
  cut(ms: number): void {
    this.link?.close()
    this.again(ms)
  }

  /** Types one update. While there is no connection it waits for the next one. */
  press(): void {
    if (this.typist === null) throw new Error('this member does not type')
    const kept = this.typist.press(Date.now())
    this.options.counts.sent++
    if (this.isSynced && !this.isHeld) this.link?.update(kept.n, kept.update)
  }

  /** Shows itself, or that it has moved. */
  show(): void {
    if (this.isSynced) this.link?.presence(writePresence(this.options.id, ++this.presenceClock, Date.now()))
  }

  /** Updates that should be here and are not. */
  missing(): number {
    return this.receipts.missing()
  }

  /** Updates of its own that are not acknowledged; none where the protocol has no acknowledgements. */
  unacked(): number {
    return this.options.protocol === 'weft' ? (this.typist?.unsettled.length ?? 0) : 0
  }

  /** Leaves for good. */
  stop(): void {
    this.isStopped = true
    this.isSynced = false
    this.link?.close()
    this.link = null
  }

  get everSynced(): boolean {
    return this.wasSynced
  }

  synced(): void {
    const time = this.wasSynced ? metrics.resyncTime : metrics.syncTime
    time.add(Date.now() - this.startedAt)
    if (this.wasSynced) metrics.reconnects.add(1)
    metrics.syncs.add(1)
    metrics.syncBytes.add(this.syncBytes)
    this.wasSynced = this.isSynced = true
    this.failures = 0
    if (this.options.protocol === 'weft') this.sendAll(this.typist?.unsettled ?? [])
  }

  update(bytes: Uint8Array, start: number, end: number, isLive: boolean): void {
    if (!isLive) this.syncBytes += end - start
    this.receipts.take(bytes, start, end, Date.now(), isLive)
  }

  acked(n: number): void {
    const now = Date.now()
    for (const { sentAt } of this.typist?.settle(n) ?? []) metrics.ackLatency.add(now - sentAt)
  }

  asked(vector: ReadonlyMap<number, number>): void {
    if (this.typist === null) return
    this.typist.settle((vector.get(this.typist.client) ?? 0) / stampLength)
    this.sendAll(this.typist.unsettled)
  }

  presence(bytes: Uint8Array): void {
    const now = Date.now()
    for (const [id, at] of readPresences(bytes)) {
      if (id === this.options.id || this.lastSeen.get(id) === at) continue
      this.lastSeen.set(id, at)
      this.options.counts.presences++
      metrics.presenceLatency.add(Math.max(0, now - at))
    }
  }

  refused(code: string, n: number | null): void {
    // It follows from the refusal of an earlier update.
    if (code === 'out_of_order') return
    metrics.refused.add(1, { code })
    const link = this.link
    if (n === null || this.isHeld || !isRetryable(code)) return
    this.isHeld = true
    setTimeout(
      () => {
        this.isHeld = false
        if (this.isSynced && this.link === link) this.sendAll(this.typist?.unsettled ?? [])
      },
      retryMs * (1 + Math.random()),
    )
  }

  closed(code: number, reason: string): void {
    metrics.closes.add(1, { code: String(code), reason: reason.slice(0, 80) })
    if (isFinal(code)) {
      this.isSynced = false
      this.link = null
      return
    }
    const bound = Math.min(retryMaxMs, retryMs * 2 ** this.failures++)
    this.again(Math.random() * bound)
  }

  private again(ms: number): void {
    this.isSynced = false
    this.link = null
    if (this.isStopped) return
    setTimeout(() => {
      if (!this.isStopped && this.link === null) this.connect()
    }, ms)
  }

  private sendAll(unsettled: readonly Kept[]): void {
    for (const { n, update } of unsettled) this.link?.update(n, update)
  }
}
