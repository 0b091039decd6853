/*
 * node dist/k6/runner/derive-rhythm.js TRACE.json.gz > k6/pure/recorded-rhythm.ts
 * Takes the rhythm of a recorded editing session (josephg/editing-traces, sequential, times to the second).
 */
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { gapsOf, keystrokesPerSecond } from '../pure/rhythm.js'

const longestMs = 3000
const keystrokes = 1500
/** Past the beginning, where the file was pasted together. */
const skip = 1000

interface Trace {
  readonly txns: readonly { readonly time: string; readonly patches: readonly unknown[] }[]
}

const file = process.argv[2]
if (file === undefined) throw new Error('Give the trace: derive-rhythm TRACE.json.gz')
const trace = JSON.parse(gunzipSync(readFileSync(file)).toString('utf8')) as Trace
const seconds = trace.txns.slice(skip, skip + keystrokes + 1).map(({ time }) => Date.parse(time) / 1000)
const gaps = gapsOf(seconds, longestMs)
process.stdout
  .write(`/* Made by runner/derive-rhythm.ts of the trace "sveltecomponent" of josephg/editing-traces, which is licensed CC BY 4.0. */
import type { Rhythm } from './rhythm.js'

/** ${keystrokes} gaps of somebody who wrote a web component: ${keystrokesPerSecond(gaps).toFixed(1)} keystrokes a second, in bursts. */
export const recordedRhythm: Rhythm = ${JSON.stringify(gaps)}
`)
