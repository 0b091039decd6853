/* IndexedDB of a tab that may die in the middle of a transaction. */

export class MortalDatabase {
  private readonly real: IDBFactory
  private readonly running = new Set<IDBTransaction>()
  private dead = false

  constructor(real: IDBFactory) {
    this.real = real
  }

  /** What the tab takes for `indexedDB`. */
  get factory(): IDBFactory {
    const open = (name: string, version?: number): IDBOpenDBRequest => {
      const request = this.real.open(name, version)
      request.addEventListener('success', () => this.watch(request.result))
      return request
    }
    return { open } as IDBFactory
  }

  /** Nothing more is written, and what is under way is rolled back. @returns how many transactions that was */
  kill(): number {
    this.dead = true
    const torn = [...this.running]
    for (const transaction of torn) transaction.abort()
    return torn.length
  }

  private watch(database: IDBDatabase): void {
    const begin = database.transaction.bind(database)
    database.transaction = (stores, mode) => {
      if (this.dead) throw new Error('the tab is gone')
      const transaction = begin(stores, mode)
      this.running.add(transaction)
      const ended = (): void => void this.running.delete(transaction)
      transaction.addEventListener('complete', ended)
      transaction.addEventListener('abort', ended)
      return transaction
    }
  }
}
