/*
 * Keeps documents and unsent changes on the device, in IndexedDB, so that they outlive the page.
 *
 * What is kept: of each room the document (pieces, merged when they have grown), the outbox (the changes that are not
 * acknowledged, each under its number), and the position to resume from. `records.ts` has the layout. All that happens in
 * a room within one turn is one transaction (`room-journal.ts`): the position is never ahead of the document, and the
 * document holds no edit that the outbox lacks.
 *
 * Client ids. A tab draws a new one when it starts, and holds a Web Lock with its name while it lives (`tabs.ts`). It never
 * goes on under the id of a tab before it: a number that the old tab gave, sent and had no time to write down would
 * be given again, and the server would take the second message for a retry of the first (P27). So that an app need not
 * wait for the database either: a room takes edits from the first moment.
 *
 * Closed tabs. What a tab has left is adopted by the tab that gets its lock (`carried.ts`): at the start of the next
 * visit, or at once by another tab that is open, which waits for that lock. It is sent as it is, under the old client
 * id and the old numbers, on a second connection (`courier.ts`, `parcel.ts`): what had been committed before the tab was
 * closed is recognised by the server (messages) or changes nothing (updates). `room.unsaved` and `room.saved()` of the
 * adopting tab count it in.
 *
 * Several tabs write the same document: every piece is a Yjs update, and those merge. A tab adds pieces to the life of
 * the record that it has read or made itself, and its whole document to any other.
 *
 * Failures. Without IndexedDB or Web Locks, with a full disk, with a database that is taken away, the client goes on in
 * memory as it would without this module, and says so.
 */
import type { Persistence } from '../persistence.js'
import { OfflineSession } from './session.js'
import type { Locks } from './tabs.js'

/** Options of {@link indexedDB}. */
export interface IndexedDBOptions {
  /**
   * Whose changes these are: any name that the app has for its user, null when it has none. Users of one browser see nothing
   * of each other's documents and changes.
   */
  readonly user: string | null
  /** The database's name. Default: `weft`. */
  readonly name?: string | undefined
  /** How long opening the database may take, in milliseconds, before the client goes on without. Default: 5,000. */
  readonly openTimeout?: number | undefined
  /** Default: `globalThis.indexedDB`. */
  readonly indexedDB?: IDBFactory | undefined
  /** Default: `navigator.locks`. */
  readonly locks?: Locks | undefined
}

/**
 * Keeps documents and unsent changes in IndexedDB.
 *
 * ```ts
 * import { indexedDB } from '@weft/client/offline'
 * const client = createClient({ url, auth, persistence: indexedDB({ user: 'ada' }) })
 * ```
 */
export const indexedDB = (options: IndexedDBOptions): Persistence => ({
  open: (host) =>
    new OfflineSession(
      {
        name: options.name ?? 'weft',
        user: options.user,
        openTimeout: options.openTimeout ?? 5_000,
        factory: options.indexedDB ?? platform().indexedDB,
        locks: options.locks ?? platform().navigator?.locks,
      },
      host,
    ),
})

/** Any of it may be missing: in Node, in a private window, on a page that was loaded over http. */
const platform = (): { indexedDB?: IDBFactory; navigator?: { locks?: Locks } } => {
  try {
    return {
      ...('indexedDB' in globalThis ? { indexedDB: globalThis.indexedDB } : {}),
      navigator: globalThis.navigator,
    }
  } catch {
    // Reading the property throws where storage is forbidden (a sandboxed frame).
    return {}
  }
}

export type { Locks } from './tabs.js'
