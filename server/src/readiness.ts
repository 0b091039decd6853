/* Whether this node is fit to take clients: what /readyz tells, and when the database went and came back. */
import type { Bus } from './bus/index.js'
import { atMost } from './shutdown.js'

/** A database that has not answered for this time, in milliseconds, is away. Nobody who asks waits longer. */
const answerMs = 1_000

/** An answer holds for this time, in milliseconds: however many ask, the database is asked no more often. */
const freshMs = 1_000

export interface DatabaseObserver {
  away(reason: unknown): void
  /** @param awayMs how long it was away, in milliseconds */
  back(awayMs: number): void
}

/**
 * Knows whether the database answers. It is asked only when somebody wants to know and nothing else has told within the last
 * second; while it is away, each second, until it is back.
 */
export class DatabaseWatch {
  private readonly ping: () => Promise<void>
  private readonly observer: DatabaseObserver
  private asking: Promise<void> | null = null
  private answeredAt = -Infinity
  private awaySince: number | null = null
  private timer: NodeJS.Timeout | null = null
  private closed = false

  constructor(ping: () => Promise<void>, observer: DatabaseObserver) {
    this.ping = ping
    this.observer = observer
  }

  /** Resolves within about a second. */
  async isThere(): Promise<boolean> {
    if (this.awaySince === null && performance.now() - this.answeredAt > freshMs)
      await atMost(answerMs, this.ask())
    return this.awaySince === null
  }

  /** It answered somebody. */
  answered(): void {
    const now = performance.now()
    this.answeredAt = now
    if (this.awaySince === null) return
    const awayMs = Math.round(now - this.awaySince)
    this.awaySince = null
    this.observer.back(awayMs)
  }

  /** Somebody got no answer, or a bad one: it is asked. */
  doubt(): void {
    void this.ask()
  }

  close(): void {
    this.closed = true
    if (this.timer !== null) clearTimeout(this.timer)
  }

  /** Never rejects. */
  private ask(): Promise<void> {
    return (this.asking ??= this.askNow().finally(() => (this.asking = null)))
  }

  private async askNow(): Promise<void> {
    const began = performance.now()
    const late = setTimeout(
      () => this.lost(began, new Error(`the database did not answer within ${answerMs} ms`)),
      answerMs,
    )
    try {
      await this.ping()
      this.answered()
    } catch (error) {
      this.lost(began, error)
    } finally {
      clearTimeout(late)
    }
    if (this.awaySince === null || this.closed) return
    this.timer = setTimeout(() => this.doubt(), freshMs)
    this.timer.unref()
  }

  private lost(began: number, reason: unknown): void {
    if (this.closed || this.awaySince !== null || this.answeredAt > began) return
    this.awaySince = began
    this.observer.away(reason)
  }
}

/** What /readyz answers. */
export interface Readiness {
  /** 200, or 503. */
  readonly ok: boolean
  readonly body: {
    readonly status: 'ready' | 'degraded' | 'unavailable' | 'draining'
    readonly database?: 'ok' | 'away'
    readonly redis?: 'ok' | 'away'
    /** Rooms that are set aside for a while, if there are any: the node is as ready as before. */
    readonly quarantinedRooms?: number
  }
}

/**
 * @param redis null for a node without
 * @param quarantinedRooms rooms that are set aside
 */
export const readinessOf = async (
  database: DatabaseWatch,
  redis: Bus | null,
  isDraining: boolean,
  quarantinedRooms = 0,
): Promise<Readiness> => {
  if (isDraining) return { ok: false, body: { status: 'draining' } }
  const isThere = await database.isThere()
  const bus = redis === null ? {} : { redis: redis.isHealthy ? ('ok' as const) : ('away' as const) }
  const rooms = quarantinedRooms === 0 ? {} : { quarantinedRooms }
  // Editing goes on while the database is away, but nothing is acknowledged: a load balancer prefers another node.
  if (!isThere) return { ok: false, body: { status: 'unavailable', database: 'away', ...bus, ...rooms } }
  // Without Redis nodes still meet in the database: only later.
  const status = 'redis' in bus && bus.redis === 'away' ? 'degraded' : 'ready'
  return { ok: true, body: { status, database: 'ok', ...bus, ...rooms } }
}
