#!/usr/bin/env node
// Committed, so that npm links the command at the install, before anything is built.
import { existsSync } from 'node:fs'

const main = new URL('../dist/main.js', import.meta.url)
if (!existsSync(main)) {
  process.stderr.write('weft: the server has not been built: run `npm run build` first.\n')
  process.exit(1)
}
await import(main.href)
