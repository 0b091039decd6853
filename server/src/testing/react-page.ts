/* Pages of a real browser that run the application of client-sdk/src/react/testing, driven by a test. */
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import type { Browser, Page } from 'playwright-core'
import { until } from './until.js'

const entry = new URL('../../../client-sdk/src/react/testing/page.tsx', import.meta.url)

/** Serves the application. */
export class ReactPages {
  private readonly server: Server
  private readonly origin: string

  private constructor(server: Server, origin: string) {
    this.server = server
    this.origin = origin
  }

  static async serve(): Promise<ReactPages> {
    const { outputFiles } = await build({
      entryPoints: [fileURLToPath(entry)],
      bundle: true,
      format: 'iife',
      write: false,
      jsx: 'automatic',
    })
    const script = outputFiles[0]?.text ?? ''
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
    return new ReactPages(server, `http://127.0.0.1:${address.port}/`)
  }

  async open(browser: Browser): Promise<ReactPage> {
    const context = await browser.newContext()
    const opened = new ReactPage(await context.newPage())
    await opened.page.goto(this.origin)
    return opened
  }

  async close(): Promise<void> {
    this.server.closeAllConnections()
    this.server.close()
    await once(this.server, 'close')
  }
}

/** A page with the application. */
export class ReactPage {
  readonly page: Page
  /** Errors and warnings: also those of React about hooks that break its rules. */
  readonly complaints: string[] = []

  constructor(page: Page) {
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

  async mount(url: string, name: string, ...rooms: readonly string[]): Promise<void> {
    await this.page.evaluate(`mount(${JSON.stringify({ url, rooms, name })})`)
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
