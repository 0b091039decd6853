/*
 * The two frames of the Weft protocol that come by the million, read and written in place. All others go through the codec.
 */
import { FrameType } from '@weft/protocol'
import { type ByteWriter, packedUintLength, readBigEndian } from './bytes.js'

export const weftPath = '/v1/connect'

/** The bytes of an UPDATE frame around an update of `length` bytes (below 64 KiB). */
export const updateFrameLength = (room: number, n: number, length: number): number =>
  2 + packedUintLength(room) + packedUintLength(n) + (length < 0x100 ? 2 : 3) + length

/** Writes an UPDATE frame up to the update's bytes. */
export const writeUpdateFrame = (writer: ByteWriter, room: number, n: number, length: number): ByteWriter => {
  writer.byte(0x94).byte(FrameType.update).packedUint(room).packedUint(n)
  if (length < 0x100) return writer.byte(0xc4).byte(length)
  return writer.byte(0xc5).uint16(length)
}

/** @returns whether the frame at `start` is of that type and has the arity of version 1 */
export const isFrame = (bytes: Uint8Array, start: number, type: number, arity: number): boolean =>
  bytes[start] === (0x90 | arity) && bytes[start + 1] === type

/** Told where each update of an UPDATES frame lies. */
export interface UpdateVisitor {
  update(bytes: Uint8Array, start: number, end: number): void
}

let cursor = 0

/** Visits the updates of an UPDATES frame. */
export const scanUpdatesFrame = (
  bytes: Uint8Array,
  start: number,
  end: number,
  visitor: UpdateVisitor,
): void => {
  cursor = start + 2
  packedUint(bytes)
  const tag = bytes[cursor++]!
  let count: number
  if (tag >= 0x90 && tag <= 0x9f) count = tag & 0x0f
  else {
    const wide = tag === 0xdc ? 2 : 4
    count = readBigEndian(bytes, cursor, wide)
    cursor += wide
  }
  for (; count > 0; count--) {
    const wide = 1 << (bytes[cursor++]! - 0xc4)
    const length = wide === 1 ? bytes[cursor]! : readBigEndian(bytes, cursor, wide)
    const from = cursor + wide
    cursor = from + length
    if (cursor > end) throw new Error('the UPDATES frame ends in the middle of an update')
    visitor.update(bytes, from, cursor)
    cursor = from + length
  }
}

/** @returns the change number `n` of an ACK frame */
export const ackNumber = (bytes: Uint8Array, start: number): number => {
  cursor = start + 2
  packedUint(bytes)
  return packedUint(bytes)
}

const packedUint = (bytes: Uint8Array): number => {
  const tag = bytes[cursor++]!
  if (tag < 0x80) return tag
  const wide = 1 << (tag - 0xcc)
  const at = cursor
  cursor += wide
  return readBigEndian(bytes, at, wide)
}

/** @returns the part of a SYNC frame: 0 more, 1 update, 2 done (P17). Its first bytes suffice. */
export const syncPart = (bytes: Uint8Array, start: number): number => {
  cursor = start + 2
  packedUint(bytes)
  return packedUint(bytes)
}

/** @returns where the awareness update of a PRESENCES frame begins */
export const presencesStart = (bytes: Buffer, start: number): number => {
  cursor = start + 2
  packedUint(bytes)
  const wide = 1 << (bytes[cursor]! - 0xc4)
  return cursor + 1 + wide
}
