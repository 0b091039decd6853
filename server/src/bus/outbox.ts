/** What an outbox needs of the connection. */
export interface OutboxLink {
  readonly canPublish: boolean
  publish(channel: string, payload: Uint8Array): Promise<unknown>
  together(publish: () => void): void
}

/** At most, from `add` until Redis has it: beyond, messages are dropped. */
export interface OutboxLimits {
  readonly bytes: number
  /** Payloads: each costs about 1 KB of memory beside its bytes. */
  readonly publishes: number
}

export interface OutboxObserver {
  /** A payload leaves: one PUBLISH. */
  sent(): void
  dropped(messages: number): void
}

/**
 * Messages on their way out. Those of one channel and turn of the event loop become one payload, which leaves at the turn's end:
 * nothing waits for a timer. What Redis has not taken yet is bounded (I6); what is over the bound, or meets a connection that
 * is not there, is dropped and counted (I4).
 */
export class Outbox {
  private readonly link: OutboxLink
  private readonly header: Uint8Array
  private readonly limits: OutboxLimits
  private readonly observer: OutboxObserver
  private gathered = new Map<string, Uint8Array[]>()
  private flushing: NodeJS.Immediate | null = null
  private bytes = 0
  private publishes = 0
  private idle: (() => void) | null = null

  /** @param header begins every payload */
  constructor(link: OutboxLink, header: Uint8Array, limits: OutboxLimits, observer: OutboxObserver) {
    this.link = link
    this.header = header
    this.limits = limits
    this.observer = observer
  }

  /** Bytes that Redis has not taken yet. */
  get bytesInFlight(): number {
    return this.bytes
  }

  /** @returns false when it was dropped */
  add(channel: string, message: Uint8Array): boolean {
    const sameTurn = this.gathered.get(channel)
    const full =
      this.bytes + message.length > this.limits.bytes ||
      (sameTurn === undefined && this.publishes >= this.limits.publishes)
    if (full || !this.link.canPublish) {
      this.observer.dropped(1)
      return false
    }
    this.bytes += message.length
    if (sameTurn) sameTurn.push(message)
    else {
      this.publishes++
      this.gathered.set(channel, [message])
    }
    this.flushing ??= setImmediate(() => this.flush())
    return true
  }

  /** Sends what was gathered, and resolves when Redis has everything, or the connection broke. */
  async drain(): Promise<void> {
    this.flush()
    if (this.publishes > 0) await new Promise<void>((resolve) => (this.idle = resolve))
  }

  private flush(): void {
    if (this.flushing) clearImmediate(this.flushing)
    this.flushing = null
    if (this.gathered.size === 0) return
    const { gathered } = this
    this.gathered = new Map()
    if (!this.link.canPublish) {
      for (const messages of gathered.values()) this.settle(messages, false)
      return
    }
    this.link.together(() => {
      for (const [channel, messages] of gathered) {
        this.observer.sent()
        this.link.publish(channel, Buffer.concat([this.header, ...messages])).then(
          () => this.settle(messages, true),
          () => this.settle(messages, false),
        )
      }
    })
  }

  private settle(messages: readonly Uint8Array[], taken: boolean): void {
    this.publishes--
    for (const message of messages) this.bytes -= message.length
    if (!taken) this.observer.dropped(messages.length)
    if (this.publishes === 0) this.idle?.()
  }
}
