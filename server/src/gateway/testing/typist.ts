/* What members write, in tests that keep count of it: each update sets a key of its own. */
import { encodeValue } from '@weft/protocol'
import * as Y from 'yjs'

/** The key that an update of a `Typist` sets. */
export const keyOf = (update: Uint8Array): string => {
  for (const struct of Y.decodeUpdate(update).structs) {
    if (struct instanceof Y.Item && struct.parentSub !== null) return struct.parentSub
  }
  throw new Error('the update sets no key')
}

/** The payload of a message of about that length. */
export const saying = (length: number): Uint8Array => encodeValue('x'.repeat(length))

/** Sets a new key with each update; each needs the one before it. */
export class Typist {
  private readonly doc = new Y.Doc()
  private count = 0

  type(length = 1): Uint8Array {
    const before = Y.encodeStateVector(this.doc)
    this.doc.getMap('m').set(`${this.doc.clientID}.${this.count++}`, 'x'.repeat(length))
    return Y.encodeStateAsUpdate(this.doc, before)
  }
}
