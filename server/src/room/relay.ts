import { guarded } from './guard.js'
import { RateEstimate, relayWindow } from './relay-window.js'
import type { RoomMember, RoomObserver, RoomOutput } from './types.js'

/** An update on its way to the other members. */
export interface RelayItem {
  readonly payload: Uint8Array
  readonly sender: RoomMember | null
  /** `performance.now()` of its arrival. */
  readonly arrived: number
  /** Its number on the bus; 0 for what is not passed on: from another node or the log, or too large. */
  readonly number: number
  /** Its seq, once it is committed. */
  seq: number | null
}

/** Gathers a room's updates by load and hands them to the output: at once in a quiet room (see `relayWindow`). */
export class Relay {
  private readonly output: RoomOutput
  private readonly observer: RoomObserver
  private readonly publish: (first: number, updates: readonly Uint8Array[]) => void
  private readonly rate = new RateEstimate()
  private items: RelayItem[] = []
  private timer: NodeJS.Timeout | null = null
  private lastFlush = -Infinity

  /** @param publish hands this node's own updates to the other nodes, numbered from `first` on: one call a flush */
  constructor(
    output: RoomOutput,
    observer: RoomObserver,
    publish: (first: number, updates: readonly Uint8Array[]) => void,
  ) {
    this.output = output
    this.observer = observer
    this.publish = publish
  }

  add(item: RelayItem): void {
    this.rate.add(item.arrived)
    if (this.timer !== null) {
      this.items.push(item)
      return
    }
    const window = relayWindow(this.rate.at(item.arrived), this.output.receivers)
    const wait = this.lastFlush + window - item.arrived
    if (window === 0 || wait <= 0) this.handOutOne(item)
    else {
      this.items.push(item)
      this.timer = setTimeout(
        guarded(this.observer, 'a relay', () => this.flush()),
        wait,
      )
    }
  }

  /** Hands out what has been gathered, now. */
  flush(): void {
    if (this.timer === null) return
    clearTimeout(this.timer)
    this.timer = null
    const { items } = this
    this.items = []
    this.handOut(items)
  }

  /** What `handOut` does, for the one update of most frames of most rooms. */
  private handOutOne({ payload, sender, number, arrived }: RelayItem): void {
    this.lastFlush = performance.now()
    const payloads = [payload]
    this.output.updates(payloads, sender)
    if (number > 0) this.publish(number, payloads)
    this.observer.relayed(1, this.output.receivers, (this.lastFlush - arrived) / 1000)
  }

  private handOut(items: readonly RelayItem[]): void {
    const first = items[0]
    if (first === undefined) return
    this.lastFlush = performance.now()
    const sender = items.every((item) => item.sender === first.sender) ? first.sender : null
    this.output.updates(payloadsOf(items), sender)
    const own = items.filter(({ number }) => number > 0)
    if (own[0] !== undefined) this.publish(own[0].number, payloadsOf(own))
    this.observer.relayed(items.length, this.output.receivers, (this.lastFlush - first.arrived) / 1000)
  }

  /** The first seq that is committed but not handed out yet, or null. */
  firstWaitingSeq(): number | null {
    let first: number | null = null
    for (const { seq } of this.items) if (seq !== null && (first === null || seq < first)) first = seq
    return first
  }
}

const payloadsOf = (items: readonly RelayItem[]): Uint8Array[] => items.map(({ payload }) => payload)
