import type { Browser, BrowserContextOptions, Locator, Page } from 'playwright-core'
import { until } from './until.js'

/** What is used of an element: the server is compiled without the types of browsers. */
interface PageElement {
  readonly textContent: string
  querySelectorAll(selector: string): Iterable<PageElement>
  cloneNode(deep: boolean): PageElement
  remove(): void
}

/** A page of the playground as a person uses it: by what it shows. */
export class PlaygroundPage {
  readonly page: Page
  /** What the page complained of: errors, and violations of its Content-Security-Policy. */
  readonly complaints: string[] = []
  /** Every host that the page asked for anything. */
  readonly hosts = new Set<string>()
  readonly name: Locator
  readonly room: Locator
  readonly connection: Locator
  readonly saved: Locator
  readonly notice: Locator
  readonly cut: Locator
  readonly text: Locator
  /** The names beside the others' cursors. */
  readonly cursors: Locator
  readonly others: Locator

  private constructor(page: Page) {
    this.page = page
    page.on('pageerror', (error) => this.complaints.push(error.stack ?? error.message))
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) this.complaints.push(message.text())
    })
    page.on('request', (request) => this.hosts.add(new URL(request.url()).host))
    page.on('websocket', (socket) => this.hosts.add(new URL(socket.url()).host))
    this.name = page.getByLabel('Your name')
    this.room = page.getByLabel('Room')
    this.connection = page.locator('#connection')
    this.saved = page.locator('#saved')
    this.notice = page.locator('#notice')
    this.cut = page.locator('#cut')
    this.text = page.getByLabel('Shared text')
    this.cursors = page.locator('.cm-peer-name')
    this.others = page.locator('#people .person:not(.you)')
  }

  /** Opens the page in a profile of its own: another person. */
  static async open(
    browser: Browser,
    url: string,
    options: BrowserContextOptions = {},
  ): Promise<PlaygroundPage> {
    const context = await browser.newContext(options)
    const opened = new PlaygroundPage(await context.newPage())
    await opened.page.goto(url)
    return opened
  }

  /** Opens a room and waits until it can be written in. */
  static async enter(browser: Browser, url: string, name: string): Promise<PlaygroundPage> {
    const opened = await PlaygroundPage.open(browser, url)
    await opened.says(opened.connection, 'Connected')
    await opened.name.fill(name)
    return opened
  }

  /** Waits until an element says so. */
  async says(element: Locator, expected: string | RegExp): Promise<void> {
    const reads = async (): Promise<string> => ((await element.innerText()) || '').trim()
    const fits = (said: string): boolean =>
      typeof expected === 'string' ? said === expected : expected.test(said)
    let said = ''
    await until(async () => fits((said = await reads())), `${String(expected)} on the page`).catch(
      (error: unknown) => {
        throw new Error(`the page says ${JSON.stringify(said)}`, { cause: error })
      },
    )
  }

  /** The shared text as it stands on the page, without the cursors in it. */
  async content(): Promise<string> {
    return await this.text.evaluate((content: PageElement) =>
      Array.from(content.querySelectorAll('.cm-line'), (line) => {
        const copy = line.cloneNode(true)
        for (const cursor of copy.querySelectorAll('.cm-peer')) cursor.remove()
        return copy.textContent
      }).join('\n'),
    )
  }

  /** Types at the end of the text. */
  async type(text: string): Promise<void> {
    await this.text.focus()
    await this.page.keyboard.press('Control+End')
    await this.page.keyboard.type(text)
  }

  async close(): Promise<void> {
    await this.page.context().close()
  }
}
