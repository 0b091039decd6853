/*
 * Pages of a real browser that run the application of client-sdk/src/react/testing, driven by a test: rendered by a server
 * process, and taken over by the page.
 */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { build, type BuildOptions } from 'esbuild'
import type { Browser, Page } from 'playwright-core'
import { makeTempDir, type TempDir } from './temp-dir.js'
import { until } from './until.js'

/** Versions of React that the bindings are for: that of the workspace, and the one before. */
export const reacts = [19, 18] as const
export type ReactVersion = (typeof reacts)[number]

const pathOf = (path: string): string => fileURLToPath(new URL(`../../../${path}`, import.meta.url))

const bundle = async (version: ReactVersion, entry: string, options: BuildOptions): Promise<string> => {
  const packages = pathOf('react-18/node_modules')
  const alias = { react: join(packages, 'react'), 'react-dom': join(packages, 'react-dom') }
  const { outputFiles } = await build({
    entryPoints: [pathOf(`client-sdk/src/react/testing/${entry}`)],
    bundle: true,
    write: false,
    jsx: 'automatic',
    ...(version === 18 ? { alias } : {}),
    ...options,
  })
  return outputFiles?.[0]?.text ?? ''
}

/** Where the application is: see client-sdk/src/react/testing/app.tsx. */
export interface Place {
  readonly rooms: readonly string[]
  readonly byName?: readonly string[]
  readonly pair?: readonly [string, string]
  readonly calm?: boolean
}

/** What both ways of rendering on a server have made. */
export interface Rendered {
  readonly string: string
  readonly stream: string
}

/** Serves the application. */
export class ReactPages {
  readonly version: ReactVersion
  private readonly server: Server
  private readonly origin: string
  private readonly dir: TempDir

  private constructor(version: ReactVersion, server: Server, origin: string, dir: TempDir) {
    this.version = version
    this.server = server
    this.origin = origin
    this.dir = dir
  }

  static async serve(version: ReactVersion): Promise<ReactPages> {
    const dir = await makeTempDir()
    // React brings CommonJS along, which asks for Node's own modules.
    const banner = `import { createRequire } from 'node:module'; const require = createRequire(import.meta.url)`
    const [script, renderer] = await Promise.all([
      bundle(version, 'page.tsx', { format: 'iife' }),
      bundle(version, 'server.tsx', { format: 'esm', platform: 'node', banner: { js: banner } }),
    ])
    await writeFile(join(dir.path, 'server.mjs'), renderer)
    const server = createServer((request, response) => {
      if (request.url === '/page.js') {
        response.writeHead(200, { 'content-type': 'text/javascript; charset=utf-8' }).end(script)
      } else {
        const page =
          '<!doctype html><link rel="icon" href="data:,"><body><script src="/page.js"></script></body>'
        response.writeHead(200, { 'content-type': 'text/html' }).end(page)
      }
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('the page server does not listen')
    return new ReactPages(version, server, `http://127.0.0.1:${address.port}/`, dir)
  }

  /** Renders the application in a process of its own, as a server does. */
  async render(url: string, place: Place, name: string): Promise<Rendered> {
    const options = JSON.stringify({ url, place, name })
    const run = promisify(execFile)
    const { stdout, stderr } = await run(process.execPath, [join(this.dir.path, 'server.mjs'), options])
    if (stderr !== '') throw new Error(`rendering complains: ${stderr}`)
    // The page's server.tsx has written it.
    return JSON.parse(stdout) as Rendered
  }

  async open(browser: Browser): Promise<ReactPage> {
    const context = await browser.newContext()
    const opened = new ReactPage(this, await context.newPage())
    await opened.page.goto(this.origin)
    return opened
  }

  async close(): Promise<void> {
    this.server.closeAllConnections()
    this.server.close()
    await once(this.server, 'close')
    await this.dir.remove()
  }
}

/** A page with the application. */
export class ReactPage {
  readonly page: Page
  /** Errors and warnings: also those of React about hooks that break its rules. */
  readonly complaints: string[] = []
  private readonly pages: ReactPages

  constructor(pages: ReactPages, page: Page) {
    this.pages = pages
    this.page = page
    page.on('pageerror', (error) => this.complaints.push(error.stack ?? error.message))
    page.on('console', (message) => {
      // That a cut connection is tried again is said by the browser itself, and no fault of the page.
      const expected = message.text().includes('WebSocket connection to')
      if (['error', 'warning'].includes(message.type()) && !expected) this.complaints.push(message.text())
    })
  }

  /** Calls a function of the page's application. */
  async call<T = void>(name: string, ...args: readonly unknown[]): Promise<T> {
    return await this.page.evaluate(`app.${name}(${args.map((arg) => JSON.stringify(arg)).join()})`)
  }

  /** Takes over what a server has rendered. */
  async mount(url: string, name: string, place: Place): Promise<void> {
    const { string: html } = await this.pages.render(url, place, name)
    await this.page.evaluate(`mount(${JSON.stringify({ url, place, name, html })})`)
  }

  /** How often a component was rendered; strict mode renders everything twice. */
  async renders(what: string): Promise<number> {
    return await this.page.evaluate(`app.renders[${JSON.stringify(what)}] ?? 0`)
  }

  /** What an element shows; null when it is not there. */
  async text(id: string): Promise<string | null> {
    return await this.page.evaluate(`document.getElementById(${JSON.stringify(id)})?.textContent ?? null`)
  }

  async says(id: string, expected: string | null): Promise<void> {
    let said: string | null = null
    await until(async () => (said = await this.text(id)) === expected, `#${id} says ${expected}`).catch(
      (error: unknown) => {
        throw new Error(`#${id} says ${said}, complaints: ${this.complaints.join('; ')}`, { cause: error })
      },
    )
  }

  async close(): Promise<void> {
    await this.page.context().close()
  }
}
