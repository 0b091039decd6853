/* What one client keeps: opens the database, keeps the tab's lock, hands out journals, and looks after closed tabs. */
import { WeftError, messageOf } from '../errors.js'
import type {
  KeptChange,
  PersistenceHost,
  PersistenceSession,
  RoomKeeper,
  RoomKeeperHost,
} from '../persistence.js'
import { Carried, type Legacy } from './carried.js'
import type { Load } from './courier.js'
import { Database, result, type StoreName } from './database.js'
import { keysUnder, readChange, readRoom, readTab, scopeOf, type TabRecord } from './records.js'
import { RoomJournal, type JournalHost } from './room-journal.js'
import { createRoomKeeper } from './room-keeper.js'
import { Tabs, type Locks, type Release } from './tabs.js'

export interface SessionOptions {
  /** The database. */
  readonly name: string
  readonly user: string | null
  readonly openTimeout: number
  readonly factory: IDBFactory | undefined
  readonly locks: Locks | undefined
}

export class OfflineSession implements PersistenceSession {
  private readonly options: SessionOptions
  private readonly host: PersistenceHost
  private readonly scope: string
  private readonly tabs: Tabs | null
  private readonly carried: Carried
  private readonly journals = new Set<RoomJournal>()
  private readonly releases = new Map<string, Release>()
  private readonly ready: Promise<Database | null>
  private readonly journalHost: JournalHost
  private database: Database | null = null
  private tab: TabRecord = { since: Date.now() }
  private failure: WeftError | null = null
  private closed = false

  constructor(options: SessionOptions, host: PersistenceHost) {
    this.options = options
    this.host = host
    this.scope = scopeOf(host.link.url, options.user)
    this.tabs =
      options.locks === undefined
        ? null
        : new Tabs({
            locks: options.locks,
            place: `weft/${options.name}/${this.scope}`,
            clientId: host.link.clientId,
            adopt: (clientId, release) => this.adopt(clientId, release),
            failed: (thrown) => this.fail(thrown),
          })
    this.carried = new Carried({
      link: host.link,
      remove: (clientId, room, gone) => {
        const { scope } = this
        void this.write(['outbox'], (store) => {
          for (const n of gone) store('outbox').delete([scope, clientId, room, n])
        })
      },
      finished: (clientId) => void this.finish(clientId),
      wrongUser: (author, user) => this.wrongUser(author, user),
    })
    this.ready = this.begin()
    const current = (): TabRecord => this.tab
    this.journalHost = {
      clock: host.link.clock,
      scope: this.scope,
      clientId: this.tabs?.own ?? '',
      ready: this.ready,
      carried: this.carried,
      get tab() {
        return current()
      },
      failed: (thrown) => this.fail(thrown),
      removed: (room, reason) =>
        this.report(
          new WeftError(
            'persistence_damaged',
            `what was kept of room '${room}' cannot be used and was removed: ${messageOf(reason)}`,
            reason,
          ),
        ),
      closed: (journal) => void journal.stored().then(() => this.journals.delete(journal)),
    }
  }

  room(name: string, host: RoomKeeperHost): RoomKeeper {
    return createRoomKeeper(host, (source) => {
      const journal = new RoomJournal(name, source, this.journalHost)
      if (this.failure !== null) journal.end()
      this.journals.add(journal)
      return journal
    })
  }

  up(user: string | null): void {
    if (this.tab.author !== user) {
      // Before the first change goes out: it is known by its author too (P27).
      this.tab = { ...this.tab, author: user }
      void this.write(
        ['tabs'],
        (store) => void store('tabs').put(this.tab, [this.scope, this.journalHost.clientId]),
      )
    }
    this.carried.up()
  }

  halt(): void {
    this.carried.halt()
  }

  close(): void {
    if (this.closed) return
    this.closed = true
    this.carried.end()
    void this.end()
  }

  /** Never rejects. */
  private async begin(): Promise<Database | null> {
    const { factory, name, openTimeout } = this.options
    // A turn later: what fails at once is heard by listeners that are not there yet.
    await Promise.resolve()
    try {
      if (factory === undefined) throw new Error('there is no IndexedDB here')
      if (this.tabs === null) {
        throw new Error(
          'there are no Web Locks here: they need a page that was loaded over https, or from localhost',
        )
      }
      const { tabs, scope } = this
      const database = await Database.open(factory, name, openTimeout, () =>
        this.fail(new Error('the browser has closed the database: it was cleared, or is being upgraded')),
      )
      this.database = database
      await tabs.enter()
      const known = await database.run('readwrite', ['tabs'], async (store) => {
        const keys = await result(store('tabs').getAllKeys(keysUnder([scope])))
        store('tabs').put(this.tab, [scope, tabs.own])
        return keys
      })
      await tabs.watch(
        known.flatMap((key) => (Array.isArray(key) && typeof key[1] === 'string' ? [key[1]] : [])),
      )
      return this.failure === null ? database : null
    } catch (thrown) {
      this.fail(thrown)
      return null
    }
  }

  /** Writes what is left, and lets others look after it. Never rejects. */
  private async end(): Promise<void> {
    const database = await this.ready
    if (database !== null) {
      try {
        await Promise.all([...this.journals].map((journal) => journal.stored()))
        await database.run('readwrite', ['tabs', 'outbox'], async (store) => {
          const { scope } = this
          const own = this.journalHost.clientId
          const left = await result(store('outbox').count(keysUnder([scope, own])))
          if (left === 0) store('tabs').delete([scope, own])
        })
      } catch (thrown) {
        this.fail(thrown)
      }
    }
    this.tabs?.leave()
    for (const clientId of [...this.releases.keys()]) this.release(clientId)
    this.database?.close()
    this.database = null
  }

  /** Takes over what a closed tab has left. Never rejects. */
  private async adopt(clientId: string, release: Release): Promise<void> {
    this.releases.set(clientId, release)
    try {
      const legacy = await this.legacyOf(clientId)
      if (legacy === null || this.closed) this.release(clientId)
      else if (legacy.rooms.length === 0) await this.finish(clientId)
      else this.carried.adopt(legacy)
    } catch (thrown) {
      this.release(clientId)
      this.fail(thrown)
    }
  }

  private async legacyOf(clientId: string): Promise<Legacy | null> {
    const { scope, database } = this
    if (database === null) return null
    return database.run('readwrite', ['tabs', 'rooms', 'outbox'], async (store) => {
      const all = keysUnder([scope, clientId])
      const asked = [
        result<unknown>(store('tabs').get([scope, clientId])),
        result(store('outbox').getAllKeys(all)),
        result<unknown[]>(store('outbox').getAll(all)),
      ] as const
      const [tab, keys, values] = [readTab(await asked[0]), await asked[1], await asked[2]]
      const rooms = new Map<string, KeptChange[]>()
      keys.forEach((key, index) => {
        const read = readChange(key, values[index])
        if (read !== null) rooms.set(read.room, [...(rooms.get(read.room) ?? []), read.kept])
        else {
          store('outbox').delete(key)
          this.report(new WeftError('persistence_damaged', 'a kept change cannot be read and was removed'))
        }
      })
      const loads: Load[] = []
      for (const [room, changes] of rooms) {
        const record = readRoom(await result<unknown>(store('rooms').get([scope, room])))
        const { epoch = null, watermark = null } = record ?? {}
        const position = epoch === null || watermark === null ? null : { epoch, watermark }
        loads.push({ room, changes, position })
      }
      return { clientId, author: tab?.author, rooms: loads }
    })
  }

  /** Nothing is left of a closed tab. */
  private async finish(clientId: string): Promise<void> {
    await this.write(['tabs'], (store) => void store('tabs').delete([this.scope, clientId]))
    this.release(clientId)
  }

  private release(clientId: string): void {
    this.releases.get(clientId)?.()
    this.releases.delete(clientId)
  }

  /** Never rejects. Without a database it does nothing. */
  private async write(
    stores: readonly StoreName[],
    work: (store: (name: StoreName) => IDBObjectStore) => void,
  ): Promise<void> {
    try {
      await this.database?.run('readwrite', stores, (store) => {
        work(store)
        return Promise.resolve()
      })
    } catch (thrown) {
      this.fail(thrown)
    }
  }

  private wrongUser(author: string | null, user: string | null): void {
    const [theirs, mine] = [author, user].map((name) => (name === null ? 'nobody' : `'${name}'`))
    this.report(
      new WeftError(
        'wrong_user',
        `changes of an earlier visit are kept and not sent: they were made as ${theirs}, and the server knows this client ` +
          `as ${mine}; give each user a store of their own (the option \`user\`)`,
      ),
    )
  }

  /** Nothing is kept any more. The client goes on, with what it has in memory. */
  private fail(thrown: unknown): void {
    if (this.failure !== null || this.closed) return
    const message = `the changes of this tab are not kept on this device: ${messageOf(thrown)}`
    this.failure = new WeftError('persistence_failed', message, thrown)
    for (const journal of this.journals) journal.end()
    this.database?.close()
    this.database = null
    this.report(this.failure)
  }

  private report(error: WeftError): void {
    this.host.logger.warn(`weft: ${error.message}`, error.cause)
    this.host.failed(error)
  }
}
