import { readFile } from 'node:fs/promises'
import { writeSvg } from '../../plot/svg.js'
import { plotsOf } from './plots.js'
import type { RunRecord } from './record.js'

/** Draws a record's plots beside it: `run.json` gives `run.latency.svg` and so on. @returns the files */
export const drawRecord = async (file: string): Promise<string[]> => {
  const record = JSON.parse(await readFile(file, 'utf8')) as RunRecord
  const files: string[] = []
  for (const { name, spec } of plotsOf(record)) {
    const path = `${file.replace(/\.json$/, '')}.${name}.svg`
    await writeSvg(path, spec)
    files.push(path)
  }
  return files
}
