/*
 * The wire of HocuspocusProvider 4: the messages of several documents on one socket, each after the address of its document.
 *
 *   message = varstring address, varuint type, then
 *     0, 4 sync:         as y-websocket's
 *     1 awareness:       varbytes awareness update
 *     2 auth:            varuint 0 (token), varstring token, varstring version of the provider
 *                        server: 0 (send a token), or 1 (permission denied), varstring reason, or 2 (authenticated), varstring scope
 *     3 query awareness
 *     5 stateless:       varstring payload
 *     7 close            server: varstring reason
 *     8 sync status      server: varuint 1 (saved) or 0 (refused)
 *   or, without an address, varuint 9 (ping, of the server) or 10 (pong)
 *
 *   address = the document's name, on session-aware providers followed by NUL and the session
 */
import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import { ProtocolError, WireLimits, type Access } from '@weft/protocol'
import type { DocumentMessage } from './stock-document.js'

/** A message of a provider about one document. */
export type HocuspocusMessage =
  | DocumentMessage
  | { readonly type: 'token'; readonly token: string }
  | { readonly type: 'stateless'; readonly payload: string }
  | { readonly type: 'close' }
  | { readonly type: 'unknown' }

const MessageType = {
  sync: 0,
  awareness: 1,
  auth: 2,
  queryAwareness: 3,
  syncReply: 4,
  stateless: 5,
  broadcastStateless: 6,
  close: 7,
  syncStatus: 8,
} as const

/** The session of an address; a provider's own is 11 characters. */
const maxSessionLength = 128

/** The server's ping, and what a provider answers. */
export const ping = new Uint8Array([9])
export const isPong = (bytes: Uint8Array): boolean => bytes.length === 1 && bytes[0] === 10

const undecodable = (): ProtocolError =>
  new ProtocolError('invalid_frame', 'the message is not of the protocol of Hocuspocus')

/** Where a message is for. @throws {ProtocolError} `invalid_frame` */
export const decodeAddress = (bytes: Uint8Array): string => {
  let address: string
  try {
    address = decoding.readVarString(decoding.createDecoder(bytes))
  } catch {
    throw undecodable()
  }
  if (address.length > WireLimits.roomNameBytes + 1 + maxSessionLength) {
    throw new ProtocolError('invalid_frame', "the document's name is too long")
  }
  return address
}

/** The room of an address, and whether it names a session. */
export const splitAddress = (address: string): { readonly room: string; readonly hasSession: boolean } => {
  const end = address.indexOf('\0')
  return end < 0 ? { room: address, hasSession: false } : { room: address.slice(0, end), hasSession: true }
}

/** Decodes a message after its address; binary fields are views into it. @throws {ProtocolError} `invalid_frame` */
export const decodeHocuspocusMessage = (bytes: Uint8Array): HocuspocusMessage => {
  try {
    const decoder = decoding.createDecoder(bytes)
    decoding.readVarString(decoder)
    const message = readMessage(decoder)
    // What a later provider says beside is its own matter: the version already is such a field.
    return message
  } catch (error) {
    if (error instanceof ProtocolError) throw error
    throw undecodable()
  }
}

const readMessage = (decoder: decoding.Decoder): HocuspocusMessage => {
  switch (decoding.readVarUint(decoder)) {
    case MessageType.sync:
    case MessageType.syncReply:
      return readSync(decoder)
    case MessageType.awareness:
      return { type: 'awareness', awareness: decoding.readVarUint8Array(decoder) }
    case MessageType.auth:
      return decoding.readVarUint(decoder) === 0
        ? { type: 'token', token: decoding.readVarString(decoder) }
        : { type: 'unknown' }
    case MessageType.queryAwareness:
      return { type: 'queryAwareness' }
    case MessageType.stateless:
      return { type: 'stateless', payload: decoding.readVarString(decoder) }
    case MessageType.broadcastStateless:
      throw new ProtocolError('invalid_frame', 'servers alone broadcast stateless messages')
    case MessageType.close:
      return { type: 'close' }
    default:
      return { type: 'unknown' }
  }
}

const readSync = (decoder: decoding.Decoder): DocumentMessage => {
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
}

/** What messages to and about a document begin with. */
export const encodeAddress = (address: string): Uint8Array => {
  const encoder = encoding.createEncoder()
  encoding.writeVarString(encoder, address)
  return encoding.toUint8Array(encoder)
}

const encode = (address: Uint8Array, header: readonly number[], text: string | null): Uint8Array => {
  const encoder = encoding.createEncoder()
  encoding.writeUint8Array(encoder, address)
  for (const part of header) encoding.writeVarUint(encoder, part)
  if (text !== null) encoding.writeVarString(encoder, text)
  return encoding.toUint8Array(encoder)
}

export const encodeTokenRequest = (address: Uint8Array): Uint8Array =>
  encode(address, [MessageType.auth, 0], null)
export const encodeDenied = (address: Uint8Array, reason: string): Uint8Array =>
  encode(address, [MessageType.auth, 1], reason)
export const encodeAuthenticated = (address: Uint8Array, access: Access): Uint8Array =>
  encode(address, [MessageType.auth, 2], access === 'write' ? 'read-write' : 'readonly')
export const encodeQueryAwareness = (address: Uint8Array): Uint8Array =>
  encode(address, [MessageType.queryAwareness], null)
export const encodeStateless = (payload: string, address: Uint8Array): Uint8Array =>
  encode(address, [MessageType.stateless], payload)
export const encodeClose = (address: Uint8Array, reason: string): Uint8Array =>
  encode(address, [MessageType.close], reason)
export const encodeSyncStatus = (address: Uint8Array, saved: boolean): Uint8Array =>
  encode(address, [MessageType.syncStatus, saved ? 1 : 0], null)
