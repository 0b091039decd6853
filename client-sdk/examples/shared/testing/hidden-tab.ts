/* A tab that Playwright does not drive: it shows all of its own as being in front, and none is ever hidden. */
import type { Browser, CDPSession } from 'playwright-core'

interface Answer {
  readonly id?: number
  readonly result?: { readonly result?: { readonly value?: unknown } }
}

/** A tab of the browser's own window, by the protocol of its developer tools. */
export class PlainTab {
  private readonly devtools: CDPSession
  private readonly targetId: string
  private readonly sessionId: string
  private readonly waiting = new Map<number, (value: unknown) => void>()
  private asked = 0

  private constructor(devtools: CDPSession, targetId: string, sessionId: string) {
    this.devtools = devtools
    this.targetId = targetId
    this.sessionId = sessionId
    devtools.on('Target.receivedMessageFromTarget', (received) => {
      if (received.sessionId !== sessionId) return
      // What Chromium writes.
      const { id, result } = JSON.parse(received.message) as Answer
      if (id === undefined) return
      this.waiting.get(id)?.(result?.result?.value)
      this.waiting.delete(id)
    })
  }

  /** @param script runs before those of the page */
  static async open(browser: Browser, url: string, script = ''): Promise<PlainTab> {
    const devtools = await browser.newBrowserCDPSession()
    const { targetId } = await devtools.send('Target.createTarget', { url: 'about:blank' })
    const { sessionId } = await devtools.send('Target.attachToTarget', { targetId, flatten: false })
    const tab = new PlainTab(devtools, targetId, sessionId)
    await tab.ask('Page.enable', {})
    await tab.ask('Page.addScriptToEvaluateOnNewDocument', { source: script })
    await tab.ask('Page.navigate', { url })
    return tab
  }

  evaluate(expression: string): Promise<unknown> {
    return this.ask('Runtime.evaluate', { expression })
  }

  private async ask(method: string, params: object): Promise<unknown> {
    const id = ++this.asked
    const answer = new Promise((resolve) => this.waiting.set(id, resolve))
    const message = JSON.stringify({ id, method, params })
    await this.devtools.send('Target.sendMessageToTarget', { sessionId: this.sessionId, message })
    return await answer
  }

  /** Whatever tab was in front is hidden then. */
  async bringToFront(): Promise<void> {
    await this.devtools.send('Target.activateTarget', { targetId: this.targetId })
  }
}
