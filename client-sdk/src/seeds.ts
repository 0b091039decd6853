/* Attempts to fill an empty room. */
import * as Y from 'yjs'
import type { WeftError } from './errors.js'
import { handled } from './waiters.js'

interface Attempt {
  readonly resolve: (filled: boolean) => void
  readonly reject: (error: WeftError) => void
}

/** The update that holds what `fill` writes into an empty document. */
export const seedOf = (fill: (doc: Y.Doc) => void): Uint8Array => {
  const doc = new Y.Doc()
  try {
    fill(doc)
    return Y.encodeStateAsUpdate(doc)
  } finally {
    doc.destroy()
  }
}

export class Seeds {
  private readonly attempts = new Map<number, Attempt>()

  /** Resolves with the answer to change `n`. */
  wait(n: number): Promise<boolean> {
    return handled(new Promise((resolve, reject) => void this.attempts.set(n, { resolve, reject })))
  }

  /** Whether the room got the content of change `n`. */
  answered(n: number, filled: boolean): void {
    this.attempts.get(n)?.resolve(filled)
    this.attempts.delete(n)
  }

  refused(n: number, error: WeftError): void {
    this.attempts.get(n)?.reject(error)
    this.attempts.delete(n)
  }

  fail(error: WeftError): void {
    for (const n of [...this.attempts.keys()]) this.refused(n, error)
  }
}
