/*
 * `npm run plots -w loadtest -- <record.json> ...`
 */
import { drawRecord } from './report/draw.js'

const records = process.argv.slice(2)
if (records.length === 0) {
  console.error('npm run plots -w loadtest -- <record.json> ...')
  process.exitCode = 1
}
for (const record of records) for (const file of await drawRecord(record)) console.log(file)
