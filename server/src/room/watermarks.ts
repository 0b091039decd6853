import type { Seq } from '../ids.js'
import { guarded } from './guard.js'
import type { RoomObserver, RoomOutput } from './types.js'

export interface WatermarkOptions {
  /** A watermark leaves when this many events have passed since the last one, */
  readonly watermarkEvents: number
  /** or after this many milliseconds, */
  readonly watermarkInterval: number
  /** or after this many, when a durable message is among them: a program is not to hear it again after a restart. */
  readonly messageWatermarkInterval: number
}

/** Tells members now and then how far they have everything (P29): often enough to resume cheaply, rarely enough to cost little. */
export class Watermarks {
  private readonly output: RoomOutput
  private readonly observer: RoomObserver
  private readonly options: WatermarkOptions
  private readonly handed: () => Seq
  private last: Seq
  private timer: NodeJS.Timeout | null = null
  /** Whether a message has passed since the last watermark. */
  private hasMessage = false

  /** @param handed the seq up to which every event has been handed to the output */
  constructor(output: RoomOutput, options: WatermarkOptions, observer: RoomObserver, handed: () => Seq) {
    this.observer = observer
    this.output = output
    this.options = options
    this.handed = handed
    this.last = handed()
  }

  /** The head has moved. */
  advanced(head: Seq): void {
    if (this.output.receivers === 0) return
    if (head - this.last >= this.options.watermarkEvents) this.send()
    else if (head > this.last) this.timer ??= this.later()
  }

  /** A durable message is among what the head passes. */
  messagePassed(): void {
    if (this.hasMessage) return
    this.hasMessage = true
    if (this.timer === null) return
    this.dispose()
    this.timer = this.later()
  }

  dispose(): void {
    if (this.timer !== null) clearTimeout(this.timer)
    this.timer = null
  }

  private later(): NodeJS.Timeout {
    const send = guarded(this.observer, 'a watermark', () => this.send())
    const { messageWatermarkInterval, watermarkInterval } = this.options
    return setTimeout(send, this.hasMessage ? messageWatermarkInterval : watermarkInterval)
  }

  private send(): void {
    this.dispose()
    const handed = this.handed()
    if (handed <= this.last) return
    this.last = this.output.watermark(handed)
    if (this.last < handed) this.timer = this.later()
    else this.hasMessage = false
  }
}
