/*
 * The updates that Yjs makes for somebody typing, byte for byte (a test compares them with a Y.Doc's). Written straight into
 * the frame that is sent: no Y.Doc runs while anything is measured.
 */
import { type ByteWriter, varUintLength } from './bytes.js'

/** The root type that is typed into. */
export const textName = 'text'

const stringRef = 4
const hasOrigin = 0x80
const letters = 'abcdefghijklmnopqrstuvwxyz'

/** The bytes of one keystroke's update: client `client` types its character number `clock`. */
export const keystrokeLength = (client: number, clock: number): number => insertLength(client, clock, 1)

/** The bytes of {@link writeInsert} for so many characters, fewer than 128. */
export const insertLength = (client: number, clock: number, characters: number): number => {
  const head = 2 + varUintLength(client) + varUintLength(clock) + 1
  const origin = clock === 0 ? 2 + textName.length : varUintLength(client) + varUintLength(clock - 1)
  return head + origin + 1 + characters + 1
}

/** Writes one keystroke's update: the character follows the one that this client typed before. */
export const writeKeystroke = (writer: ByteWriter, client: number, clock: number): ByteWriter =>
  writeInsert(writer, client, clock, letters[clock % letters.length]!)

/** Writes the update of ASCII characters, fewer than 128, that follow what this client typed before. */
export const writeInsert = (writer: ByteWriter, client: number, clock: number, text: string): ByteWriter => {
  writer.byte(1).byte(1).varUint(client).varUint(clock)
  if (clock === 0) writer.byte(stringRef).byte(1).byte(textName.length).ascii(textName)
  else
    writer
      .byte(stringRef | hasOrigin)
      .varUint(client)
      .varUint(clock - 1)
  return writer.byte(text.length).ascii(text).byte(0)
}
