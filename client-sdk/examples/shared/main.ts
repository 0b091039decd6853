/* Starts one example: `npm start -w @weft/examples -- todo-react`. */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { serveExample } from './serve.js'

// Seen from dist/shared: the sources are bundled, and the data is where the server keeps its own.
const examples = new URL('../../', import.meta.url)
const data = new URL('../../data/examples/', examples)

const usage = 'Usage: npm start -w @weft/examples -- <example> [--port 4410] [--server ws://127.0.0.1:4400]\n'

const {
  values: { port, server },
  positionals: [name = ''],
} = parseArgs({
  options: { port: { type: 'string', default: '4410' }, server: { type: 'string' } },
  allowPositionals: true,
})

const file = (path: string): string => fileURLToPath(new URL(path, examples))
const entry = ['main.ts', 'main.tsx'].find((path) => existsSync(file(`${name}/${path}`)))
if (!/^[a-z-]+$/.test(name) || entry === undefined) {
  process.stderr.write(usage)
  process.exit(1)
}

const example = await serveExample({
  folder: file(name),
  entry,
  port: Number(port),
  dataDir: fileURLToPath(new URL(name, data)),
  ...(server === undefined ? {} : { weftUrl: server }),
})
process.stdout.write(`${name}: ${example.url} (open it twice)\nWeft server: ${example.weftUrl}\n`)

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void example.close())
