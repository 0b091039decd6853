/*
 * The wire of stock Yjs providers (y-websocket), from y-protocols:
 *
 *   message = varuint type, then
 *     0 sync:            varuint step (0 step 1: state vector; 1 step 2: update; 2 update), varbytes
 *     1 awareness:       varbytes awareness update
 *     2 auth:            varuint 0 (permission denied), varstring reason
 *     3 query awareness
 */
import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import { ProtocolError } from '@weft/protocol'

/** A message from a stock client. */
export type YjsMessage =
  | { readonly type: 'step1'; readonly stateVector: Uint8Array }
  | { readonly type: 'step2' | 'update'; readonly update: Uint8Array }
  | { readonly type: 'awareness'; readonly awareness: Uint8Array }
  | { readonly type: 'queryAwareness' }
  | { readonly type: 'unknown' }

/** Decodes a message; binary fields are views into it. @throws {ProtocolError} `invalid_frame` */
export const decodeYjsMessage = (bytes: Uint8Array): YjsMessage => {
  try {
    const decoder = decoding.createDecoder(bytes)
    const message = readMessage(decoder)
    if (message.type === 'unknown' || !decoding.hasContent(decoder)) return message
  } catch (error) {
    if (error instanceof ProtocolError) throw error
    throw new ProtocolError('invalid_frame', 'the message is not of the y-websocket protocol')
  }
  throw new ProtocolError('invalid_frame', 'bytes follow the message')
}

const readMessage = (decoder: decoding.Decoder): YjsMessage => {
  switch (decoding.readVarUint(decoder)) {
    case 0:
      switch (decoding.readVarUint(decoder)) {
        case 0:
          return { type: 'step1', stateVector: decoding.readVarUint8Array(decoder) }
        case 1:
          return { type: 'step2', update: decoding.readVarUint8Array(decoder) }
        case 2:
          return { type: 'update', update: decoding.readVarUint8Array(decoder) }
        default:
          throw new ProtocolError('invalid_frame', 'the sync message is of an unknown kind')
      }
    case 1:
      return { type: 'awareness', awareness: decoding.readVarUint8Array(decoder) }
    case 3:
      return { type: 'queryAwareness' }
    default:
      return { type: 'unknown' }
  }
}

/** What goes before a message: the document's name on sockets that carry several (Hocuspocus). */
const noAddress = new Uint8Array(0)

/** A message up to its bytes. @param kind what stands before them */
const headerOf = (address: Uint8Array, kind: readonly number[], length: number): Uint8Array => {
  const encoder = encoding.createEncoder()
  encoding.writeUint8Array(encoder, address)
  for (const part of kind) encoding.writeVarUint(encoder, part)
  encoding.writeVarUint(encoder, length)
  return encoding.toUint8Array(encoder)
}

/** The bytes are copied once: they may be many. */
const withBytes = (address: Uint8Array, kind: readonly number[], bytes: Uint8Array): Uint8Array => {
  const header = headerOf(address, kind, bytes.length)
  const frame = new Uint8Array(header.length + bytes.length)
  frame.set(header)
  frame.set(bytes, header.length)
  return frame
}

export const encodeStep1 = (stateVector: Uint8Array, address: Uint8Array = noAddress): Uint8Array =>
  withBytes(address, [0, 0], stateVector)
export const encodeStep2 = (update: Uint8Array, address: Uint8Array = noAddress): Uint8Array =>
  withBytes(address, [0, 1], update)
export const encodeUpdate = (update: Uint8Array, address: Uint8Array = noAddress): Uint8Array =>
  withBytes(address, [0, 2], update)
export const encodeAwareness = (awareness: Uint8Array, address: Uint8Array = noAddress): Uint8Array =>
  withBytes(address, [1], awareness)

/** The last one: after a restart everybody in sync gets the same answer. */
let shared: { readonly update: Uint8Array; readonly frame: Uint8Array } | null = null

/** `encodeUpdate` for an update that others get as well. @param update stays as it is */
export const encodeSharedUpdate = (update: Uint8Array): Uint8Array => {
  if (shared?.update !== update) shared = { update, frame: encodeUpdate(update) }
  return shared.frame
}

/** The start of an update message up to its content, for sending a large one in fragments. */
export const updateHeader = (length: number, address: Uint8Array = noAddress): Uint8Array =>
  headerOf(address, [0, 2], length)

export const encodePermissionDenied = (reason: string): Uint8Array => {
  const encoder = encoding.createEncoder()
  encoding.writeVarUint(encoder, 2)
  encoding.writeVarUint(encoder, 0)
  encoding.writeVarString(encoder, reason)
  return encoding.toUint8Array(encoder)
}

/** A Yjs update that holds nothing. */
export const emptyUpdate = new Uint8Array([0, 0])
/** An awareness message without entries: it keeps the connection of a stock client alive (P44). */
export const keepAlive = new Uint8Array([1, 1, 0])
