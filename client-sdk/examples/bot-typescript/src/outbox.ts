/* What the bot has said and the server has not settled yet: numbered from 1, kept across connections (P21). */

/** What a change does, as its frame says it. */
export type ChangeBody =
  | { readonly type: 'update'; readonly update: Uint8Array }
  | { readonly type: 'append'; readonly name: string; readonly payload: Uint8Array }

/** A numbered change on its way. */
export interface Change {
  readonly n: number
  readonly body: ChangeBody
  /** Resolves with the seq of the commit. Of an update that shared its ACK with a later one it is not told: null. */
  readonly settled: Promise<number | null>
  readonly resolve: (seq: number | null) => void
  readonly reject: (error: Error) => void
}

export class Outbox {
  private changes: Change[] = []
  private lastNumber = 0
  private sent = 0

  /** Changes that are not settled, oldest first. */
  get pending(): readonly Change[] {
    return this.changes
  }

  /** Numbers a change. */
  add(body: ChangeBody): Change {
    let resolve!: (seq: number | null) => void
    let reject!: (error: Error) => void
    const settled = new Promise<number | null>((yes, no) => {
      resolve = yes
      reject = no
    })
    // Nobody has to wait for it.
    settled.catch(() => undefined)
    const change = { n: ++this.lastNumber, body, settled, resolve, reject }
    this.changes.push(change)
    return change
  }

  /** The changes to send now, in order; they count as sent. */
  take(): Change[] {
    const due = this.changes.filter(({ n }) => n > this.sent)
    this.sent = this.lastNumber
    return due
  }

  /** `n` and everything after it has to be sent again. */
  rewind(n = 1): void {
    this.sent = Math.min(this.sent, n - 1)
  }

  /** Takes out everything up to `n`: ACKs are cumulative (P22). */
  acknowledge(n: number): Change[] {
    const done = this.changes.filter((change) => change.n <= n)
    this.changes = this.changes.filter((change) => change.n > n)
    return done
  }

  /** Takes out a change that was refused for good. */
  refuse(n: number): Change | undefined {
    const refused = this.changes.find((change) => change.n === n)
    this.changes = this.changes.filter((change) => change !== refused)
    return refused
  }

  /** Gives up everything. */
  clear(error: Error): void {
    for (const change of this.changes.splice(0)) change.reject(error)
  }
}
