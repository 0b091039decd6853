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
  /** From its begin until then. */
  readonly span: Span
}

/** One run of `npm run chaos`. */
export interface ChaosRecord {
  readonly environment: Environment
  readonly options: ChaosOptions
  readonly interrupted: boolean
  readonly verdict: string
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
