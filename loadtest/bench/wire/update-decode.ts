import * as Y from 'yjs'
import type { Decode } from './update-scan.js'

/** Has Yjs decode the update: for contents that the scanner does not read. */
export const visitDecoded: Decode = (update, visitor) => {
  for (const struct of Y.decodeUpdate(update).structs) {
    if (!(struct instanceof Y.Skip)) visitor.range(struct.id.client, struct.id.clock, struct.length)
  }
}
