/*
 * The client's side of the codec: encodes what a client sends and decodes what a server sends, by two tables that say
 * what PROTOCOL.md says. Small first, as every page carries it; the server's side, in `codec-client.ts` and
 * `codec-server.ts`, is fast first. Decoding throws ProtocolError and nothing else. Binary fields of decoded frames are
 * views into the given bytes: copy what is to outlive them.
 */
import type { ClientFrame, DurableMessage, PresenceUser, ServerFrame, UnknownFrame } from './frames.js'
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
  utf8,
  writeArrayLength,
  writeRaw,
  writeText,
  writeValue,
} from './msgpack.js'

/** Reads a field; undefined when what is there does not fit it. */
type Field<T> = () => T | undefined

/** The fields of a frame or row, in the order of the wire. */
type Fields<T> = { readonly [Name in Exclude<keyof T, 'type'>]: Field<T[Name]> }

const orNull =
  <T>(field: Field<T>): Field<T | null> =>
  () =>
    readOrNull(field)

const text =
  (maxBytes: number): Field<string> =>
  () => {
    const value = readValue(0)
    // A UTF-16 unit takes three bytes at most: short strings need no encoding to be measured.
    return typeof value === 'string' && (value.length * 3 <= maxBytes || utf8(value).length <= maxBytes)
      ? value
      : undefined
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

const oneOf =
  <T extends string>(...names: readonly T[]): Field<T> =>
  () =>
    names[readUint() ?? -1]

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
 * Reads an array of fields. Those past the ones of this version are skipped: room to grow (P4).
 * @param count of its elements
 */
const readFields = <T extends object>(
  found: Record<string, unknown>,
  fields: Fields<T>,
  count: number,
): T => {
  for (const name in fields) {
    found[name] = count-- > 0 ? fields[name as keyof Fields<T>]() : undefined
    if (found[name] === undefined) throw new Error(`a frame has no valid ${name}`)
  }
  while (count-- > 0) readValue(payloadDepth)
  return found as T
}

const rows = <T extends object>(fields: Fields<T>): Field<readonly T[]> =>
  // Without a length it lacks the first field.
  list(() => readFields({}, fields, readArrayLength() ?? 0))

const limits: Field<SessionLimits> = () => {
  const given = Object(readValue(payloadDepth + 1)) as Record<string, unknown>
  const known = limitNames.map((name) => [name, given[name]] as const)
  return known.every(([, limit]) => Number.isSafeInteger(limit) && Number(limit) >= 0)
    ? (Object.fromEntries(known) as unknown as SessionLimits)
    : undefined
}

const uint = readUint
const label = text(labelBytes)
const reason = text(messageBytes)
const eventName = text(eventNameBytes)
const userOrNull = orNull(text(userBytes))

const message: Fields<DurableMessage> = {
  seq: uint,
  author: userOrNull,
  clientId,
  n: changeNumber,
  time: uint,
  name: eventName,
  payload,
}

/** A kind of frame that a server sends. */
type ServerFrameRow = {
  [Type in ServerFrame['type']]: readonly [Type, Fields<Extract<ServerFrame, { readonly type: Type }>>]
}[ServerFrame['type']]

/** What a server sends, by frame type. */
const serverFrames: Readonly<Record<number, ServerFrameRow>> = {
  9: ['ping', { id: uint }],
  10: ['pong', { id: uint }],
  16: ['welcome', { version: uint, session: label, node: label, user: userOrNull, heartbeat: uint, limits }],
  17: [
    'joined',
    {
      request: uint,
      room: uint,
      epoch: uint,
      head: uint,
      access: oneOf('read', 'write'),
      mode: oneOf('full', 'resume', 'diff'),
      stateVector: binary,
    },
  ],
  18: ['sync', { room: uint, part: oneOf('more', 'update', 'done'), data: binary }],
  19: ['updates', { room: uint, updates: list(binary) }],
  20: ['ack', { room: uint, n: changeNumber, seq: uint }],
  21: ['nack', { room: uint, n: changeNumber, code: label, message: reason }],
  22: ['presences', { room: uint, awareness: binary }],
  23: ['event', { room: uint, ...message }],
  24: ['broadcasted', { room: uint, author: userOrNull, name: eventName, payload }],
  25: ['watermark', { room: uint, seq: uint }],
  26: ['left', { room: uint, code: label, message: reason }],
  27: ['error', { request: orNull(uint), code: label, message: reason, retryAfter: uint }],
  28: ['authed', { user: userOrNull, expires: orNull(uint) }],
  29: ['drain', { delay: uint }],
  30: ['historyPage', { request: uint, room: uint, events: rows(message), more: flag }],
  31: ['users', { room: uint, users: rows<PresenceUser>({ id: uint, user: userOrNull }) }],
}

/**
 * Decodes a frame that a server sent.
 * @throws {ProtocolError} `invalid_frame`
 */
export const decodeServerFrame = (bytes: Uint8Array): ServerFrame | UnknownFrame =>
  decode(bytes, () => {
    const count = readArrayLength()
    const number = count && readUint()
    if (!count || number === undefined) throw new Error('a frame is an array that begins with its type')
    const [type, fields] = serverFrames[number] ?? ['unknown', {}]
    return readFields<ServerFrame | UnknownFrame>(
      type === 'unknown' ? { type, number } : { type },
      fields as Fields<ServerFrame>,
      count - 1,
    )
  })

/** What a client sends: its frame type, and its fields in the order of the wire. */
const clientFrames: {
  readonly [Type in ClientFrame['type']]: readonly [
    number,
    ...Exclude<keyof Extract<ClientFrame, { readonly type: Type }>, 'type'>[],
  ]
} = {
  hello: [1, 'version', 'token', 'clientId', 'agent'],
  join: [2, 'request', 'room', 'epoch', 'after', 'stateVector'],
  leave: [3, 'room'],
  update: [4, 'room', 'n', 'update'],
  presence: [5, 'room', 'awareness'],
  append: [6, 'room', 'n', 'name', 'payload'],
  broadcast: [7, 'room', 'name', 'payload'],
  auth: [8, 'token'],
  ping: [9, 'id'],
  pong: [10, 'id'],
  history: [11, 'request', 'room', 'after', 'before', 'limit'],
  seed: [12, 'room', 'n', 'update'],
}

/** Encodes a frame for a server. The bytes are the caller's own. */
export const encodeClientFrame = (frame: ClientFrame): Uint8Array =>
  encode((out) => {
    const [number, ...names] = clientFrames[frame.type]
    const values = frame as unknown as Readonly<Record<string, unknown>>
    writeArrayLength(out, names.length + 1)
    writeValue(out, number, 0)
    for (const name of names) {
      const value = values[name]
      if (name === 'payload') writeRaw(out, value as Uint8Array)
      else if (typeof value === 'string') writeText(out, value)
      else writeValue(out, value, 0)
    }
  })
