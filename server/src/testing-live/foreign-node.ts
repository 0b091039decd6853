/* A node that the others hear nothing of: it commits an edit and a message at a time. */
import { encodeValue } from '@weft/protocol'
import * as Y from 'yjs'
import type { CommitEntry, RoomRow } from '../store/index.js'

export class ForeignNode {
  private readonly doc = new Y.Doc()
  private messages = 0

  /** @returns what it commits: a token at the start of the document, and a message that says so */
  change(row: RoomRow, token: string): CommitEntry[] {
    const before = Y.encodeStateVector(this.doc)
    this.doc.getArray<string>('tokens').insert(0, [token])
    const common = { roomId: row.id, epoch: row.epoch, author: null }
    return [
      {
        ...common,
        kind: 'update',
        clientId: null,
        clientSeq: null,
        name: null,
        payload: Y.encodeStateAsUpdate(this.doc, before),
      },
      {
        ...common,
        kind: 'message',
        clientId: 'f'.repeat(32),
        clientSeq: ++this.messages,
        name: 'elsewhere',
        payload: encodeValue(token),
      },
    ]
  }
}
