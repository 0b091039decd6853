/** The playground: a shared editor at `/`. */
import { gzipSync } from 'node:zlib'
import type { HttpAnswer, PageRequest } from '../gateway/index.js'
import { loadPlayground, playgroundCsp } from './assets.js'

/** Answers requests for the page's files; null for other paths. The files are read and compressed once, at the start. */
export const createPlayground = (): ((request: PageRequest) => HttpAnswer | null) => {
  const files = new Map(
    [...loadPlayground()].map(([path, asset]) => [
      path,
      { ...asset, gzipped: gzipSync(asset.body, { level: 9 }) },
    ]),
  )
  return ({ path, ifNoneMatch, acceptsGzip }) => {
    const file = files.get(path === '/' ? '/index.html' : path)
    if (file === undefined) return null
    const headers = {
      ETag: file.etag,
      'Cache-Control': 'no-cache',
      Vary: 'Accept-Encoding',
      'Content-Security-Policy': playgroundCsp,
    }
    const type = file.contentType
    if (ifNoneMatch === file.etag) return { status: '304 Not Modified', type, body: '', headers }
    return acceptsGzip
      ? { status: '200 OK', type, body: file.gzipped, headers: { ...headers, 'Content-Encoding': 'gzip' } }
      : { status: '200 OK', type, body: file.body, headers }
  }
}
