/* Pages of a real browser that run the client SDK, driven by a test. */
import { createServer, type Server } from 'node:http'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import type { BrowserContext, Page } from 'playwright-core'
import { until } from './until.js'

/** How a page joins a room. */
export interface VisitOptions {
  readonly url: string
  readonly room: string
  readonly user?: string
  /** How long the database may take to open, in milliseconds. */
  readonly openTimeout?: number
  /** Code to run before the SDK starts. */
  readonly before?: string
}

/** What the page runs: an app that keeps what it has on the device, with its parts in reach of the test. */
const script = `
  import { createClient } from '@weft/client'
  import { indexedDB } from '@weft/client/offline'
  window.visit = ({ url, room: name, user, openTimeout }) => {
    const errors = []
    const seen = []
    const rejected = []
    const resets = []
    const client = createClient({
      url,
      timing: { retryBase: 50, retryMax: 200 },
      logger: { warn() {}, error() {} },
      persistence: indexedDB({ user: user ?? 'ada', openTimeout }),
    })
    client.on('error', ({ code }) => errors.push(code))
    const room = client.room(name)
    room.on('error', ({ code }) => errors.push(code))
    room.on('rejected', ({ code }) => rejected.push(code))
    room.on('reset', (reset) => resets.push(reset))
    room.events.onAny(({ seq, name, payload }) => seen.push({ seq, name, payload }))
    const text = () => room.doc.getText('text')
    window.weft = {
      client,
      room,
      errors: () => errors,
      seen: () => seen,
      rejected: () => rejected,
      resets: () => resets.map(({ previous, unsaved }) => ({
        previous: previous.getText('text').toString(), unsaved: unsaved.length })),
      text: () => text().toString(),
      type: (words) => text().insert(text().length, words),
      append: (name, payload) => void room.events.append(name, payload).catch((error) => errors.push(error.code)),
      seed: (words) => void room.seed((doc) => doc.getText('text').insert(0, words)),
      loaded: () => room.loaded(),
      stored: () => room.stored(),
      status: () => room.status,
      unsaved: () => room.unsaved,
    }
  }
`

/** Serves the page, to a loopback address: IndexedDB and Web Locks want one, or https. */
export class SdkPages {
  readonly origin: string
  private readonly server: Server

  private constructor(server: Server, origin: string) {
    this.server = server
    this.origin = origin
  }

  static async serve(): Promise<SdkPages> {
    const bundle = await build({
      stdin: { contents: script, resolveDir: fileURLToPath(new URL('.', import.meta.url)) },
      bundle: true,
      format: 'iife',
      write: false,
    })
    const code = bundle.outputFiles[0]?.text ?? ''
    const server = createServer((request, response) => {
      const [type, body] =
        request.url === '/page.js'
          ? ['text/javascript', code]
          : ['text/html', '<!doctype html><link rel="icon" href="data:,"><script src="/page.js"></script>']
      response.writeHead(200, { 'content-type': type }).end(body)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('the page server does not listen')
    return new SdkPages(server, `http://127.0.0.1:${address.port}`)
  }

  /** Opens a tab of a browser profile, and the room in it. */
  async visit(context: BrowserContext, options: VisitOptions): Promise<SdkPage> {
    const page = await context.newPage()
    if (options.before !== undefined) await page.addInitScript(options.before)
    await page.goto(this.origin)
    await page.evaluate(`visit(${JSON.stringify(options)})`)
    return new SdkPage(page)
  }

  async close(): Promise<void> {
    this.server.closeAllConnections()
    this.server.close()
    await once(this.server, 'close')
  }
}

/** An event as a listener in a page got it. */
export interface SeenEvent {
  readonly seq: number
  readonly name: string
  readonly payload: unknown
}

/** A tab with a room. */
export class SdkPage {
  readonly page: Page

  constructor(page: Page) {
    this.page = page
  }

  text = (): Promise<string> => this.page.evaluate('weft.text()')
  unsaved = (): Promise<number> => this.page.evaluate('weft.unsaved()')
  status = (): Promise<string> => this.page.evaluate('weft.status()')
  errors = (): Promise<string[]> => this.page.evaluate('weft.errors()')
  rejected = (): Promise<string[]> => this.page.evaluate('weft.rejected()')
  seen = (): Promise<SeenEvent[]> => this.page.evaluate('weft.seen()')
  resets = (): Promise<{ previous: string; unsaved: number }[]> => this.page.evaluate('weft.resets()')
  /** Whether there was anything. */
  loaded = (): Promise<boolean> => this.page.evaluate('weft.loaded()')
  /** Waits until everything is on the device, or cannot be. */
  stored = (): Promise<boolean> => this.page.evaluate('weft.stored()')

  async type(words: string): Promise<void> {
    await this.page.evaluate(`weft.type(${JSON.stringify(words)})`)
  }

  async append(name: string, payload: unknown): Promise<void> {
    await this.page.evaluate(`weft.append(${JSON.stringify(name)}, ${JSON.stringify(payload)})`)
  }

  async seed(words: string): Promise<void> {
    await this.page.evaluate(`weft.seed(${JSON.stringify(words)})`)
  }

  /** Types words, and appends an event of them. */
  async say(words: string): Promise<void> {
    await this.type(words)
    await this.append('said', words)
  }

  async live(): Promise<void> {
    await until(async () => (await this.status()) === 'live', 'the room is live')
  }

  async saved(): Promise<void> {
    await until(async () => (await this.unsaved()) === 0 && (await this.status()) === 'live', 'all is saved')
  }

  /** The process behind the tab dies. */
  async crash(): Promise<void> {
    const session = await this.page.context().newCDPSession(this.page)
    const crashed = new Promise((resolve) => this.page.once('crash', resolve))
    // It has nobody left to answer.
    void session.send('Page.crash').catch(() => undefined)
    await crashed
  }
}
