import { ByteWriter } from '../../bench/wire/bytes.js'
import { textName } from '../../bench/wire/keystrokes.js'
import { stampLength, writeStamp } from './stamp.js'
import { Typist } from './typist.js'

/* Of an item, as Yjs writes it: a string, and whether it names the character that it follows. */
const stringRef = 4
const hasOrigin = 0x80
/** The bytes of an item at most: the kind, its origin, the text. */
const itemBytes = 1 + 5 + 5 + 1 + stampLength

/**
 * Writes a document in which two clients took turns, so that no two items can be merged into one: a server holds, and sends,
 * as many structs as there are. Each update brings many of them.
 */
export class DocumentAuthor extends Typist {
  private readonly pairs: number
  private readonly other: number

  /**
   * @param client one of the two Yjs clients; the other is the next number
   * @param pairs of items in each update
   */
  constructor(client: number, pairs: number) {
    super(client)
    this.pairs = pairs
    this.other = client + 1
  }

  protected override make(now: number): Uint8Array {
    const first = this.count * this.pairs * stampLength
    const writer = new ByteWriter(new Uint8Array(64 + 2 * this.pairs * itemBytes)).byte(2)
    const text = writeStamp(now)
    const last = stampLength - 1
    // The client with the higher number comes first, as in what Yjs writes.
    this.head(writer, this.other, first)
    for (let clock = first, i = 0; i < this.pairs; i++, clock += stampLength)
      this.item(writer, this.client, clock + last, text)
    this.head(writer, this.client, first)
    for (let clock = first, i = 0; i < this.pairs; i++, clock += stampLength)
      this.item(writer, this.other, clock - stampLength + last, text)
    return writer.byte(0).finish()
  }

  private head(writer: ByteWriter, client: number, clock: number): void {
    writer.varUint(this.pairs).varUint(client).varUint(clock)
  }

  /** @param origin clock of the character before it, negative at the beginning of the document */
  private item(writer: ByteWriter, originClient: number, origin: number, text: string): void {
    if (origin < 0) writer.byte(stringRef).byte(1).byte(textName.length).ascii(textName)
    else
      writer
        .byte(stringRef | hasOrigin)
        .varUint(originClient)
        .varUint(origin)
    writer.byte(stampLength).ascii(text)
  }
}
