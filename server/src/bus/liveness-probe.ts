/** How often a probe is sent, in milliseconds. */
const intervalMs = 1_000

/** A probe that is not heard within this time, in milliseconds, has failed. */
const timeoutMs = 3_000

/** Without a proof for this time, in milliseconds, there is doubt: it comes with each probe. */
const doubtMs = 1.5 * intervalMs

/** A probe on its way. */
interface Waiting {
  readonly timeout: NodeJS.Timeout
  /** Where it has not been heard yet. */
  readonly missing: Set<string>
}

/**
 * Knows whether what is published is delivered, by the only proof there is: a number that goes the whole way and comes back. A
 * connection to a server that was failed over answers PING and delivers nothing. A cluster has several ways, one for each of its
 * masters: the number must come back on all of them.
 */
export class LivenessProbe {
  private healthy = false
  private last = 0
  private heardAt = -Infinity
  /** Probes on their way, oldest first. */
  private readonly waiting = new Map<number, Waiting>()
  private readonly timer: NodeJS.Timeout
  private readonly ways: readonly string[]
  private readonly send: (nonce: number) => void
  private readonly changed: (isHealthy: boolean) => void
  private readonly silent: () => void

  /**
   * @param ways the channels on which a probe is to be heard
   * @param send publishes a probe on all of them
   * @param changed told when health changes; it begins unhealthy
   * @param silent a probe was not heard in time, and those behind it are given up
   */
  constructor(
    ways: readonly string[],
    send: (nonce: number) => void,
    changed: (isHealthy: boolean) => void,
    silent: () => void,
  ) {
    this.ways = ways
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
    this.waiting.set(nonce, {
      // After the turn's reads: after a long pause of this process the answer may lie in the socket already.
      timeout: setTimeout(() => setImmediate(() => this.expire(nonce)), timeoutMs),
      missing: new Set(this.ways),
    })
    this.send(nonce)
  }

  /** @returns whether it was a probe that is waited for */
  heard(nonce: number, way: string): boolean {
    const probe = this.waiting.get(nonce)
    if (!probe?.missing.delete(way)) return false
    if (probe.missing.size > 0) return true
    this.heardAt = performance.now()
    for (const [earlier, { timeout }] of this.waiting) {
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
    for (const { timeout } of this.waiting.values()) clearTimeout(timeout)
    this.waiting.clear()
  }

  private setHealthy(healthy: boolean): void {
    if (healthy === this.healthy) return
    this.healthy = healthy
    this.changed(healthy)
  }
}
