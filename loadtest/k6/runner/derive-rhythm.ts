/*
 * node dist/k6/runner/derive-rhythm.js TRACE.json.gz > k6/pure/rhythm.json
 * Takes the rhythm of a recorded editing session (josephg/editing-traces, sequential, times to the second).
 */
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { gapsOf } from '../pure/rhythm.js'

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
process.stdout.write(`${JSON.stringify(gapsOf(seconds, longestMs))}\n`)
