/** How often a probe is sent, in milliseconds. */
const intervalMs = 1_000

/** A probe that is not heard within this time, in milliseconds, has failed. */
const timeoutMs = 3_000

/** Without a proof for this time, in milliseconds, there is doubt: it comes with each probe. */
const doubtMs = 1.5 * intervalMs

/**
 * Knows whether what is published is delivered, by the only proof there is: a number that goes the whole way and comes back. A
 * connection to a server that was failed over answers PING and delivers nothing.
 */
export class LivenessProbe {
  private healthy = false
  private last = 0
  private heardAt = -Infinity
  /** Probes on their way, oldest first. */
  private readonly waiting = new Map<number, NodeJS.Timeout>()
  private readonly timer: NodeJS.Timeout
  private readonly send: (nonce: number) => void
  private readonly changed: (isHealthy: boolean) => void
  private readonly silent: () => void

  /**
   * @param send publishes a probe
   * @param changed told when health changes; it begins unhealthy
   * @param silent a probe was not heard in time, and those behind it are given up
   */
  constructor(send: (nonce: number) => void, changed: (isHealthy: boolean) => void, silent: () => void) {
    this.send = send
    this.changed = changed
    this.silent = silent
    this.timer = setInterval(() => this.probe(), intervalMs)
  }

  get isHealthy(): boolean {
    return this.healthy
  }

  get isDoubtful(): boolean {
    return performance.now() - this.heardAt > doubtMs
  }

  /** Sends a probe now, not in its turn. */
  probe(): void {
    const nonce = ++this.last
    this.waiting.set(
      nonce,
      // After the turn's reads: after a long pause of this process the answer may lie in the socket already.
      setTimeout(() => setImmediate(() => this.expire(nonce)), timeoutMs),
    )
    this.send(nonce)
  }

  /** @returns whether it was a probe that is waited for */
  heard(nonce: number): boolean {
    if (!this.waiting.has(nonce)) return false
    this.heardAt = performance.now()
    for (const [earlier, timeout] of this.waiting) {
      if (earlier > nonce) break
      clearTimeout(timeout)
      this.waiting.delete(earlier)
    }
    this.setHealthy(true)
    return true
  }

  /** The connection broke: what is on its way proves nothing any more. */
  lost(): void {
    this.forget()
    this.setHealthy(false)
  }

  close(): void {
    clearInterval(this.timer)
    this.forget()
    this.healthy = false
  }

  private expire(nonce: number): void {
    if (!this.waiting.has(nonce)) return
    this.lost()
    this.silent()
  }

  private forget(): void {
    for (const timeout of this.waiting.values()) clearTimeout(timeout)
    this.waiting.clear()
  }

  private setHealthy(healthy: boolean): void {
    if (healthy === this.healthy) return
    this.healthy = healthy
    this.changed(healthy)
  }
}
