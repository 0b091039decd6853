/* The stage of the tests of `@weft/client/offline`: a browser, a server, and a proxy between them that cuts tabs off. */
import { createClient, type Client } from '@weft/client'
import type { Browser, BrowserContext } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest'
import { launchChromium } from './chromium.js'
import { startPostgres, type TestPostgres } from './postgres.js'
import { SdkPages, type SdkPage, type SeenEvent, type VisitOptions } from './sdk-page.js'
import { startServer, type TestServer } from './start-server.js'
import { TcpProxy } from './tcp-proxy.js'

export class OfflineStage {
  server!: TestServer
  pages!: SdkPages
  proxy!: TcpProxy
  /** One profile of the browser: its tabs share what is kept. A new one for each test. */
  profile!: BrowserContext
  /** A new one for each test. */
  room = ''
  private postgres!: TestPostgres
  private browser!: Browser
  private rooms = 0

  /** Sets the stage before the tests of a file, and takes it down after them. */
  static use(): OfflineStage {
    const stage = new OfflineStage()
    beforeAll(async () => {
      stage.postgres = await startPostgres({ settings: { fsync: 'off' } })
      stage.server = await startServer({ databaseUrl: await stage.postgres.createDatabase() })
      stage.pages = await SdkPages.serve()
      stage.browser = await launchChromium()
    })
    beforeEach(async () => {
      stage.room = `offline/${++stage.rooms}`
      stage.proxy = await TcpProxy.start(stage.server.port)
      stage.profile = await stage.browser.newContext()
    })
    afterEach(async () => {
      await stage.profile.close()
      await stage.proxy.close()
    })
    afterAll(async () => {
      await stage.browser.close()
      await stage.pages.close()
      await stage.server.dispose()
      await stage.postgres.dispose()
    })
    return stage
  }

  /** Opens a tab, and the room in it. */
  visit(options: Partial<VisitOptions> = {}): Promise<SdkPage> {
    const url = `ws://127.0.0.1:${this.proxy.port}`
    return this.pages.visit(this.profile, { url, room: this.room, ...options })
  }

  /** Cuts every tab off until {@link restore}. */
  cutOff(): void {
    this.proxy.target = null
    this.proxy.cut()
  }

  restore(): void {
    this.proxy.target = this.server.port
  }

  /** What somebody without any of this reads in a room. */
  contentOf(name: string): Promise<string> {
    return this.read(async (client) => {
      const reader = client.room(name)
      await reader.synced()
      return reader.doc.getText('text').toJSON()
    })
  }

  /** The log of a room, as somebody else reads it. */
  eventsOf(name: string): Promise<SeenEvent[]> {
    return this.read(async (client) => {
      const reader = client.room(name)
      await reader.synced()
      const { events } = await reader.events.history({ after: 0, limit: 1000 })
      return events.map(({ seq, name, payload }) => ({ seq, name, payload }))
    })
  }

  private async read<T>(reading: (client: Client) => Promise<T>): Promise<T> {
    const client = createClient({ url: this.server.wsUrl })
    try {
      return await reading(client)
    } finally {
      client.close()
    }
  }
}
