import type { Client } from '@weft/client'
import type { WebsocketProvider } from 'y-websocket'

/** One time that a client had no connection. Times are those of `performance.now()`. */
export interface Absence {
  readonly from: number
  readonly to: number
  /** Milliseconds that the server had told it to wait; 0 for a client that hears of no such thing. */
  readonly delay: number
  /** Attempts that it took. */
  readonly attempts: number
}

/** Follows the connections of clients, and when they were away. */
export class Absences {
  readonly ended: Absence[] = []
  private readonly open = new Set<unknown>()

  /** Clients that are away now. */
  get running(): number {
    return this.open.size
  }

  /** A client of the SDK: away until it is welcomed again. */
  follow(client: Client): void {
    let left: { from: number; delay: number; attempts: number } | null = null
    client.on('status', (info) => {
      if (info.status === 'reconnecting') {
        left ??= {
          from: performance.now(),
          delay: info.reason.code === 'draining' ? info.delay : 0,
          attempts: 0,
        }
        left.attempts++
        this.open.add(client)
      } else if (info.status === 'connected' && left !== null) {
        this.ended.push({ ...left, to: performance.now() })
        this.open.delete(client)
        left = null
      }
    })
  }

  /** A stock client: away until its room is synced again. */
  followStock(provider: WebsocketProvider): void {
    let left: { from: number; attempts: number } | null = null
    provider.on('status', ({ status }) => {
      if (status === 'disconnected') {
        left ??= { from: performance.now(), attempts: 0 }
        this.open.add(provider)
      } else if (status === 'connecting' && left !== null) left.attempts++
    })
    provider.on('sync', (isSynced: boolean) => {
      if (!isSynced || left === null) return
      this.ended.push({ ...left, to: performance.now(), delay: 0 })
      this.open.delete(provider)
      left = null
    })
  }

  /** Those that began in a time. */
  between(from: number, to: number): Absence[] {
    return this.ended.filter((absence) => absence.from >= from && absence.from < to)
  }
}

/** @param share from 0 to 1 */
export const quantile = (numbers: readonly number[], share: number): number => {
  const sorted = [...numbers].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0
}

/** How many of them fall into each step from 0 on. */
export const countBySteps = (numbers: readonly number[], step: number, steps: number): number[] => {
  const counts = Array.from({ length: steps }, () => 0)
  for (const number of numbers) {
    const at = Math.min(steps - 1, Math.max(0, Math.floor(number / step)))
    counts[at] = (counts[at] ?? 0) + 1
  }
  return counts
}
