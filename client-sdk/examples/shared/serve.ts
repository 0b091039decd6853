/* What every example needs to run: its page, bundled, on loopback, and a Weft server beside it. */
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer as createHttpServer, type Server, type ServerResponse } from 'node:http'
import { join } from 'node:path'
import { createServer as createWeftServer, type WeftServer } from '@weft/server'
import { context, type BuildContext, type BuildResult } from 'esbuild'

export interface ServeOptions {
  /** The example's folder: `index.html`, and `main.ts` or `main.tsx`, which imports its CSS. */
  readonly folder: string
  /** The file that is bundled. Default: `main.ts`. */
  readonly entry?: string
  /** Default: 0, a free one. */
  readonly port?: number
  /** A Weft server that runs already. Default: one is started, on the embedded database. */
  readonly weftUrl?: string
  /** Where the embedded database keeps its files. Default: `./data`. */
  readonly dataDir?: string
}

/** An example that runs. */
export interface ExampleServer {
  /** Where its page is. */
  readonly url: string
  /** The Weft server that the page talks to. */
  readonly weftUrl: string
  close(): Promise<void>
}

/**
 * Serves an example. Its code is bundled again whenever its page is loaded: change it, reload, see.
 * @throws {Error} when the code does not compile, or the port is taken
 */
export const serveExample = async (options: ServeOptions): Promise<ExampleServer> => {
  const weft =
    options.weftUrl === undefined
      ? await createWeftServer({
          port: 0,
          dataDir: options.dataDir ?? './data',
          playground: false,
          logLevel: 'error',
        })
      : null
  try {
    const weftUrl = options.weftUrl ?? weft?.url.replace(/^http/, 'ws') ?? ''
    return await servePage(options, weftUrl, weft)
  } catch (error) {
    await weft?.close()
    throw error
  }
}

const servePage = async (
  { folder, entry = 'main.ts', port = 0 }: ServeOptions,
  weftUrl: string,
  weft: WeftServer | null,
): Promise<ExampleServer> => {
  const bundler = await context({
    entryPoints: { main: join(folder, entry) },
    outdir: folder,
    bundle: true,
    format: 'esm',
    sourcemap: 'inline',
    jsx: 'automatic',
    write: false,
    logLevel: 'silent',
  })
  try {
    // A mistake in the code is told at the start, and not by an empty page.
    await bundler.rebuild()
    const http = createHttpServer((request, response) => {
      const path = new URL(request.url ?? '/', 'http://localhost').pathname
      answer(path, response, folder, bundler, weftUrl).catch((error: unknown) => {
        response.writeHead(500, { 'content-type': 'text/plain; charset=utf-8' }).end(String(error))
      })
    })
    const url = await listen(http, port)
    return {
      url,
      weftUrl,
      close: async () => {
        http.closeAllConnections()
        http.close()
        await once(http, 'close')
        await bundler.dispose()
        await weft?.close()
      },
    }
  } catch (error) {
    await bundler.dispose()
    throw error
  }
}

const answer = async (
  path: string,
  response: ServerResponse,
  folder: string,
  bundler: BuildContext,
  weftUrl: string,
): Promise<void> => {
  const send = (type: string, body: string | Uint8Array): void => {
    response.writeHead(200, { 'content-type': `${type}; charset=utf-8`, 'cache-control': 'no-store' })
    response.end(body)
  }
  if (path === '/') {
    const page = await readFile(join(folder, 'index.html'), 'utf8')
    // How the page learns where the Weft server is: see page.ts.
    send('text/html', page.replace('<head>', `<head>\n    <meta name="weft-url" content="${weftUrl}" />`))
  } else if (path === '/main.js') {
    send('text/javascript', output(await bundler.rebuild(), path))
  } else if (path === '/main.css') {
    send('text/css', output(await bundler.rebuild(), path))
  } else {
    response.writeHead(404).end()
  }
}

const output = ({ outputFiles }: BuildResult, path: string): Uint8Array | string =>
  outputFiles?.find((file) => file.path.endsWith(path))?.contents ?? ''

const listen = async (http: Server, port: number): Promise<string> => {
  http.listen(port, '127.0.0.1')
  await once(http, 'listening')
  const address = http.address()
  if (address === null || typeof address === 'string') throw new Error('the page server does not listen')
  return `http://127.0.0.1:${address.port}/`
}
