/* IndexedDB with promises: one database, its stores, its transactions. Knows nothing of what is in them. */

import { handled } from '../waiters.js'

/** The object stores, all with keys of their own. `records.ts` says what is in them. */
export const storeNames = ['tabs', 'rooms', 'updates', 'outbox'] as const
export type StoreName = (typeof storeNames)[number]

const version = 1

/** The result of a request. Awaited within a transaction it keeps it open. */
export const result = <T>(request: IDBRequest<T>): Promise<T> =>
  // Of several that were asked at once the first to fail is told.
  handled(
    new Promise((resolve, reject) => {
      request.onsuccess = () => resolve(request.result)
      request.onerror = () => reject(request.error ?? new Error('an IndexedDB request failed'))
    }),
  )

export class Database {
  private readonly connection: IDBDatabase

  private constructor(connection: IDBDatabase) {
    this.connection = connection
  }

  /**
   * @param timeout how long to wait, in milliseconds: another tab may block an upgrade for as long as it lives, and some
   *   browsers never answer in a private window
   * @param lost called when the browser takes the database away: its storage was cleared, or another version of the app
   *   upgrades it
   */
  static open(factory: IDBFactory, name: string, timeout: number, lost: () => void): Promise<Database> {
    return new Promise((resolve, reject) => {
      const request = factory.open(name, version)
      let late = false
      const timer = setTimeout(() => {
        late = true
        reject(
          new Error(`the database '${name}' did not open within ${timeout} ms; another tab may block it`),
        )
      }, timeout)
      request.onupgradeneeded = () => {
        for (const store of storeNames) request.result.createObjectStore(store)
      }
      request.onerror = () => {
        clearTimeout(timer)
        reject(request.error ?? new Error(`the database '${name}' could not be opened`))
      }
      request.onsuccess = () => {
        clearTimeout(timer)
        const connection = request.result
        if (late) {
          connection.close()
          return
        }
        connection.onclose = lost
        connection.onversionchange = () => {
          connection.close()
          lost()
        }
        resolve(new Database(connection))
      }
    })
  }

  /** Runs `work` in one transaction and resolves when it is durable. Nothing of it is when the promise rejects. */
  async run<T>(
    mode: 'readonly' | 'readwrite',
    stores: readonly StoreName[],
    work: (store: (name: StoreName) => IDBObjectStore) => Promise<T>,
  ): Promise<T> {
    const transaction = this.connection.transaction([...stores], mode)
    // Looked at below; what fails in `work` is told instead.
    const done = handled(
      new Promise<void>((resolve, reject) => {
        transaction.oncomplete = () => resolve()
        transaction.onabort = () =>
          reject(transaction.error ?? new Error('an IndexedDB transaction was aborted'))
      }),
    )
    let value: T
    try {
      value = await work((name) => transaction.objectStore(name))
    } catch (thrown) {
      try {
        transaction.abort()
      } catch {
        // It has ended by itself: its own error is what `thrown` says.
      }
      throw transaction.error ?? thrown
    }
    await done
    return value
  }

  close(): void {
    this.connection.close()
  }
}
