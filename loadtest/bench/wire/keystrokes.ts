/*
 * The updates that Yjs makes for somebody typing, byte for byte (a test compares them with a Y.Doc's). Written straight into
 * the frame that is sent: no Y.Doc runs while anything is measured.
 */
import { type ByteWriter, varUintLength } from './bytes.js'

/** The root type that is typed into. */
export const textName = 'text'

const stringRef = 4
const hasOrigin = 0x80

/** The bytes of one keystroke's update: client `client` types its character number `clock`. */
export const keystrokeLength = (client: number, clock: number): number => {
  const head = 2 + varUintLength(client) + varUintLength(clock) + 1
  const origin = clock === 0 ? 2 + textName.length : varUintLength(client) + varUintLength(clock - 1)
  return head + origin + 2 + 1
}

/** Writes one keystroke's update: the character follows the one that this client typed before. */
export const writeKeystroke = (writer: ByteWriter, client: number, clock: number): ByteWriter => {
  writer.byte(1).byte(1).varUint(client).varUint(clock)
  if (clock === 0) writer.byte(stringRef).byte(1).byte(textName.length).ascii(textName)
  else
    writer
      .byte(stringRef | hasOrigin)
      .varUint(client)
      .varUint(clock - 1)
  return writer
    .byte(1)
    .byte(0x61 + (clock % 26))
    .byte(0)
}
