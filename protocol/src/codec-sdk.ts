/*
 * The client's side of the codec: encodes what a client sends and decodes what a server sends, by a table that says what
 * PROTOCOL.md says. Small first, as every page carries it; the server's side, in `codec-client.ts` and `codec-server.ts`,
 * is fast first. Binary fields of decoded frames are views into the given bytes: copy what is to outlive them.
 */
import { encodeUtf8 } from './lib0.js'
import {
  clientIdBytes,
  eventNameBytes,
  labelBytes,
  limitNames,
  messageBytes,
  payloadDepth,
  userBytes,
  type SessionLimits,
} from './limits.js'
import {
  decode,
  encode,
  readArrayLength,
  readOrNull,
  readRaw,
  readUint,
  readValue,
  writeArrayLength,
  writeRaw,
  writeText,
  writeValue,
} from './msgpack.js'
import {
  accessFrame,
  ackFrame,
  appendFrame,
  authedFrame,
  broadcastFrame,
  broadcastedFrame,
  drainFrame,
  errorFrame,
  eventFrame,
  historyPageFrame,
  joinedFrame,
  leftFrame,
  nackFrame,
  pingFrame,
  pongFrame,
  presencesFrame,
  syncFrame,
  updatesFrame,
  usersFrame,
  watermarkFrame,
  welcomeFrame,
  type ClientWire,
  type MessageWire,
  type ServerWire,
  type UnknownWire,
} from './wire.js'

/** Reads a field; undefined when what is there does not fit it. */
type Field<T> = () => T | undefined

/** The fields of a row, in the order of the wire. */
type Fields<T extends readonly unknown[]> = { readonly [Index in keyof T]: Field<T[Index]> }

/** Those of a frame, after its type. */
type FieldsOf<Frame extends readonly unknown[]> = Frame extends readonly [unknown, ...infer Rest]
  ? Fields<Rest>
  : never

const orNull =
  <T>(field: Field<T>): Field<T | null> =>
  () =>
    readOrNull(field)

const text =
  (maxBytes: number): Field<string> =>
  () => {
    const value = readValue(0)
    return typeof value === 'string' && encodeUtf8(value).length <= maxBytes ? value : undefined
  }

const binary: Field<Uint8Array> = () => {
  const value = readValue(0)
  return value instanceof Uint8Array ? value : undefined
}

const flag: Field<boolean> = () => {
  const value = readValue(0)
  return typeof value === 'boolean' ? value : undefined
}

const payload: Field<Uint8Array> = () => readRaw(payloadDepth)

const clientId: Field<Uint8Array> = () => {
  const id = binary()
  return id?.length === clientIdBytes ? id : undefined
}

const changeNumber: Field<number> = () => readUint() || undefined

/** The number of one of several words. */
const oneOf =
  (words: number): Field<number> =>
  () => {
    const index = readUint()
    return index !== undefined && index < words ? index : undefined
  }

const list =
  <T>(item: Field<T>): Field<readonly T[]> =>
  () => {
    const count = readArrayLength()
    if (count === undefined) return undefined
    const items: T[] = []
    while (items.length < count) {
      const value = item()
      if (value === undefined) return undefined
      items.push(value)
    }
    return items
  }

/**
 * Reads fields. Those past the ones of this version are skipped: room to grow (P4).
 * @param count of what is there
 */
const readFields = (fields: readonly Field<unknown>[], count: number): unknown[] => {
  const values = fields.map((read) => {
    const value = count-- > 0 ? read() : undefined
    if (value === undefined) throw new Error('a field is missing, or of another type')
    return value
  })
  while (count-- > 0) readValue(payloadDepth)
  return values
}

const rows = <T extends readonly unknown[]>(fields: Fields<T>): Field<readonly T[]> =>
  // Without a length it lacks the first field.
  list(() => readFields(fields, readArrayLength() ?? 0) as unknown as T)

const limits: Field<SessionLimits> = () => {
  const given = Object(readValue(payloadDepth + 1)) as Record<string, unknown>
  const known = limitNames.map((name) => [name, given[name]] as const)
  return known.every(([, limit]) => Number.isSafeInteger(limit) && Number(limit) >= 0)
    ? (Object.fromEntries(known) as unknown as SessionLimits)
    : undefined
}

const uint: Field<number> = readUint
const label = text(labelBytes)
const reason = text(messageBytes)
const eventName = text(eventNameBytes)
const userOrNull = orNull(text(userBytes))

const message: Fields<MessageWire> = [uint, userOrNull, clientId, changeNumber, uint, eventName, payload]

/** What a server sends, by frame type. */
const serverFrames: {
  readonly [Type in ServerWire[0]]: FieldsOf<Extract<ServerWire, readonly [type: Type, ...fields: unknown[]]>>
} = {
  [pingFrame]: [uint],
  [pongFrame]: [uint],
  [welcomeFrame]: [uint, label, label, userOrNull, uint, limits],
  [joinedFrame]: [uint, uint, uint, uint, oneOf(2), oneOf(3), binary],
  [syncFrame]: [uint, oneOf(3), binary],
  [updatesFrame]: [uint, list(binary)],
  [ackFrame]: [uint, changeNumber, uint],
  [nackFrame]: [uint, changeNumber, label, reason],
  [presencesFrame]: [uint, binary],
  [eventFrame]: [uint, ...message],
  [broadcastedFrame]: [uint, userOrNull, eventName, payload],
  [watermarkFrame]: [uint, uint],
  [leftFrame]: [uint, label, reason],
  [errorFrame]: [orNull(uint), label, reason, uint],
  [authedFrame]: [userOrNull, orNull(uint)],
  [drainFrame]: [uint],
  [historyPageFrame]: [uint, uint, rows(message), flag],
  [accessFrame]: [uint, oneOf(2), reason],
  [usersFrame]: [uint, rows<readonly [number, string | null]>([uint, userOrNull])],
}

/**
 * Decodes a frame that a server sent.
 * @throws {ProtocolError} `invalid_frame`
 */
export const decodeServerWire = (bytes: Uint8Array): ServerWire | UnknownWire =>
  decode(bytes, () => {
    const count = readArrayLength()
    const type = count && readUint()
    if (!count || type === undefined) throw new Error('no array that begins with a type')
    const fields = (serverFrames as Readonly<Record<number, readonly Field<unknown>[]>>)[type]
    const values = readFields(fields ?? [], count - 1)
    return (fields === undefined ? [0, type] : [type, ...values]) as unknown as ServerWire | UnknownWire
  })

/** Encodes a frame for a server. The bytes are the caller's own. */
export const encodeClientWire = (frame: ClientWire): Uint8Array =>
  encode((out) => {
    const [type] = frame
    writeArrayLength(out, frame.length)
    for (const field of frame) {
      // Payloads are MessagePack already; no other field of theirs is binary.
      if (field instanceof Uint8Array && (type === appendFrame || type === broadcastFrame))
        writeRaw(out, field)
      else if (typeof field === 'string') writeText(out, field)
      else writeValue(out, field, 0)
    }
  })
