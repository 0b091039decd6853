import type * as Y from 'yjs'

/** Is told what typists do and see, while they do. */
export interface Watch {
  /** An edit is about to be made. */
  typed(author: string, token: string): void
  /** Somebody else's edit has reached a client's document. */
  seen(client: string, token: string): void
  /** From now on an acknowledgement is waited for: of an edit, or of an event. */
  asked(what: string): void
  acked(what: string): void
}

/** Tells of others' tokens when they come into a client's document. */
export const watchTokens = (watch: Watch, client: string, doc: Y.Doc): void => {
  doc.getArray<string>('tokens').observe((event, transaction) => {
    if (transaction.local) return
    for (const { insert } of event.changes.delta) {
      if (!Array.isArray(insert)) continue
      for (const token of insert) watch.seen(client, String(token))
    }
  })
}
