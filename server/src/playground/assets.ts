/* The playground's files as they are served. They are built by scripts/build-playground.mjs. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { workerUrl } from '../worker-url.js'

/** A file of the playground. */
export interface PlaygroundAsset {
  readonly body: Buffer
  readonly contentType: string
  readonly etag: string
}

/**
 * The policy that the page is served with. Nothing inline and nothing from elsewhere: CodeMirror's styles are constructed
 * style sheets, since the editor lives in a shadow root. `'self'` covers the WebSocket to the same host.
 */
export const playgroundCsp = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

const files = [
  ['/index.html', 'index.html', 'text/html; charset=utf-8'],
  ['/main.js', 'main.js', 'text/javascript; charset=utf-8'],
  ['/styles.css', 'styles.css', 'text/css; charset=utf-8'],
  ['/favicon.svg', 'favicon.svg', 'image/svg+xml'],
] as const

/**
 * Reads the built page, by request path, where `/` is `/index.html`. Where it has not been built, that page says so: the server works
 * without it.
 */
export const loadPlayground = (): Map<string, PlaygroundAsset> => {
  const assets = new Map<string, PlaygroundAsset>()
  try {
    for (const [path, name, contentType] of files) {
      assets.set(path, asset(readFileSync(workerUrl(`./${name}`, import.meta.url)), contentType))
    }
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
    const text = 'The playground has not been built. Run `npm run build` and start the server again.\n'
    return new Map([['/index.html', asset(Buffer.from(text), 'text/plain; charset=utf-8')]])
  }
  return assets
}

const asset = (body: Buffer, contentType: string): PlaygroundAsset => ({
  body,
  contentType,
  etag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`,
})
