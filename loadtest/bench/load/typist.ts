/** Somebody who types: a Yjs client id, the clock it has come to, and when each keystroke left. */
export class Typist {
  readonly client: number
  clock = 0
  /** Keystrokes that are acknowledged (Weft protocol). */
  acked = 0
  private readonly sentAt: Float64Array
  private readonly mask: number

  /** @param window how many keystrokes may be under way at once: a power of two */
  constructor(client: number, window: number) {
    this.client = client
    this.sentAt = new Float64Array(window)
    this.mask = window - 1
  }

  /** Notes the next keystroke's time. @returns its clock */
  press(now: number): number {
    this.sentAt[this.clock & this.mask] = now
    return this.clock++
  }

  sentTime(clock: number): number {
    return this.sentAt[clock & this.mask]!
  }
}
