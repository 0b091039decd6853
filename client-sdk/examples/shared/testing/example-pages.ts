/* Pages of a real browser that show an example, driven by a test. */
import { createClient, type Room } from '@weft/client'
import type { Browser, Page } from 'playwright-core'
import { launchChromium } from '../../../../server/src/testing/chromium.js'
import { startServer, type TestServer } from '../../../../server/src/testing/start-server.js'
import { TcpProxy } from '../../../../server/src/testing/tcp-proxy.js'
import { serveExample, type ExampleServer } from '../serve.js'

/** An example with a server and a browser of its own. */
export class ExamplePages {
  /** What any page complained of: errors, and warnings in the console. */
  readonly complaints: string[] = []
  readonly weft: TestServer
  /** The pages reach the Weft server through it, so that a test can take it away. */
  readonly proxy: TcpProxy
  private readonly example: ExampleServer
  readonly browser: Browser
  private readonly pages = new Set<Page>()

  private constructor(weft: TestServer, proxy: TcpProxy, example: ExampleServer, browser: Browser) {
    this.weft = weft
    this.proxy = proxy
    this.example = example
    this.browser = browser
  }

  static async start(folder: string, entry?: string): Promise<ExamplePages> {
    const weft = await startServer()
    const proxy = await TcpProxy.start(weft.port)
    const weftUrl = `ws://127.0.0.1:${proxy.port}`
    const example = await serveExample({ folder, weftUrl, ...(entry === undefined ? {} : { entry }) })
    return new ExamplePages(weft, proxy, example, await launchChromium())
  }

  /** Where the example is. */
  get url(): string {
    return this.example.url
  }

  /** Opens the example in a profile of its own: another person. */
  async open(search = ''): Promise<Page> {
    const browsing = await this.browser.newContext()
    const page = await browsing.newPage()
    this.pages.add(page)
    page.on('pageerror', (error) => this.complaints.push(error.stack ?? error.message))
    page.on('console', (message) => {
      // That a cut connection is tried again is said by the browser itself, and no fault of the page.
      const expected = message.text().includes('WebSocket connection to')
      if (['error', 'warning'].includes(message.type()) && !expected) this.complaints.push(message.text())
    })
    await page.goto(this.example.url + search)
    return page
  }

  /** Cuts all pages off until {@link restore}. */
  cutOff(): void {
    this.proxy.target = null
    this.proxy.cut()
  }

  restore(): void {
    this.proxy.target = this.weft.port
  }

  /** Deletes a room while the pages are away, and makes it again: they find another document, and another log. */
  async recreate(name: string, fill: (room: Room) => unknown): Promise<void> {
    this.cutOff()
    for (const page of this.pages) await page.locator('#status[data-live="false"]').waitFor()
    await this.weft.server.control.deleteRoom(name)
    const client = createClient({ url: this.weft.wsUrl })
    try {
      const room = client.room(name)
      await room.synced()
      fill(room)
      await room.saved()
    } finally {
      client.close()
    }
    this.restore()
  }

  /** Closes the pages that a test has opened. */
  async closePages(): Promise<void> {
    for (const page of this.pages) await page.context().close()
    this.pages.clear()
  }

  async dispose(): Promise<void> {
    await this.browser.close()
    await this.example.close()
    await this.proxy.close()
    await this.weft.dispose()
  }
}
