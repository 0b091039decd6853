/* A server that asks for tokens, and unmodified HocuspocusProviders on it, which are gone after each test. */
import { pino } from 'pino'
import { expect } from 'vitest'
import { openStore, type Store } from '../../store/index.js'
import { makeDataDir } from '../../testing/data-dir.js'
import { HocuspocusClients } from '../../testing/hocuspocus-clients.js'
import { startServer, type TestServer } from '../../testing/start-server.js'
import { storedText } from '../../testing/stored-text.js'
import type { TempDir } from '../../testing/temp-dir.js'
import { makeToken, testSecret } from '../../testing/tokens.js'

export class HocuspocusScene {
  readonly server: TestServer
  /** What clients say that are given none. */
  readonly token: string
  private readonly dir: TempDir
  private readonly store: Store

  private constructor(server: TestServer, token: string, dir: TempDir, store: Store) {
    this.server = server
    this.token = token
    this.dir = dir
    this.store = store
  }

  static async start(): Promise<HocuspocusScene> {
    const dir = await makeDataDir()
    const store = await openStore({ dataDir: dir.path, logger: pino({ level: 'silent' }) })
    const server = await startServer({ jwtSecret: testSecret, store })
    return new HocuspocusScene(server, await makeToken(), dir, store)
  }

  clients(): HocuspocusClients {
    return new HocuspocusClients(`${this.server.wsUrl}/hocuspocus`, this.token)
  }

  /** The text of a room as the store has it. */
  stored(name: string): Promise<string> {
    return storedText(this.store, name)
  }

  async dispose(): Promise<void> {
    expect(this.server.faults).toEqual([])
    await this.server.dispose()
    await this.store.close()
    await this.dir.remove()
  }
}
