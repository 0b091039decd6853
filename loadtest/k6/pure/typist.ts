import { ByteWriter } from '../../bench/wire/bytes.js'
import { insertLength, writeInsert } from '../../bench/wire/keystrokes.js'
import { stampLength, writeStamp } from './stamp.js'

/** An update that may have to be sent again. */
export interface Kept {
  /** Its number among the typist's, from 1: `n` of the Weft protocol. */
  readonly n: number
  readonly sentAt: number
  readonly update: Uint8Array
}

/** Somebody who types stamps. What is not known to be with the server is kept. */
export class Typist {
  readonly client: number
  /** Updates made: the publisher's number. */
  count = 0
  private kept: Kept[] = []

  /** @param client the Yjs client id, of this typist alone in the room */
  constructor(client: number) {
    this.client = client
  }

  /** The clock of the Yjs client: characters typed. */
  get clock(): number {
    return this.count * stampLength
  }

  /** Makes the next update. @param now in milliseconds since 1970 */
  press(now: number): Kept {
    const update = this.make(now)
    const kept = { n: ++this.count, sentAt: now, update }
    this.kept.push(kept)
    return kept
  }

  /** The bytes of the next update. */
  protected make(now: number): Uint8Array {
    const { client, clock } = this
    const bytes = new Uint8Array(insertLength(client, clock, stampLength))
    return writeInsert(new ByteWriter(bytes), client, clock, writeStamp(now)).finish()
  }

  /** The server has everything up to number `n`. @returns what of it had been kept until now */
  settle(n: number): readonly Kept[] {
    const open = this.kept.findIndex((kept) => kept.n > n)
    return this.kept.splice(0, open < 0 ? this.kept.length : open)
  }

  /** What the server is not known to have, in order. */
  get unsettled(): readonly Kept[] {
    return this.kept
  }
}
