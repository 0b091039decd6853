import { mkdir, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Environment } from '../bench/report/record.js'
import type { FaultName } from './faults.js'
import type { ChaosOptions } from './options.js'
import type { Point, Span } from './timeline.js'

/** A fault that happened. Seconds since the start. */
export interface Band {
  readonly name: FaultName
  readonly title: string
  readonly from: number
  readonly to: number
  /** Milliseconds after its end until everything typed before that was acknowledged. */
  readonly savedAfter: number
  /** From its begin to its end, seen from the end of the run. */
  readonly span: Span
}

/** One run of `npm run chaos`. */
export interface ChaosRecord {
  readonly environment: Environment
  readonly options: ChaosOptions
  readonly interrupted: boolean
  readonly verdict: string
  /** What the verdict counts against the cluster, one sentence each. */
  readonly findings: readonly string[]
  /** What is wrong beside what the verdict counts. */
  readonly complaints: readonly string[]
  /** The longest that the process with all clients was late, in milliseconds: latencies below it mean nothing. */
  readonly clientLoopDelay: { readonly p99: number; readonly max: number }
  readonly bands: readonly Band[]
  readonly points: readonly Point[]
}

export const writeChaosRecord = async (file: string, record: ChaosRecord): Promise<void> => {
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, `${JSON.stringify(record, null, 2)}\n`)
}

export const inWords = (ms: number): string =>
  ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`

/** The faults as a Markdown table. */
export const tableOf = (bands: readonly Band[]): string => {
  const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  const heads = [
    'fault',
    'from, s',
    'to, s',
    'acks/s',
    'longest ack wait',
    'all saved after',
    'delivery p50',
    'p99',
    'max',
  ]
  return [
    row(heads),
    row(heads.map(() => '---')),
    ...bands.map(({ title, from, to, savedAfter, span }) =>
      row([
        title,
        from.toFixed(1),
        to.toFixed(1),
        span.acksPerSecond.toFixed(0),
        ...[span.longestAckWait, savedAfter, span.deliveryP50, span.deliveryP99, span.deliveryMax].map(
          inWords,
        ),
      ]),
    ),
  ].join('\n')
}
