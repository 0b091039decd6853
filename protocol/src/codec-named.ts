/* The client's side of the codec, with names for the fields: for bots and tests, which need not be small. */
import { decodeServerWire, encodeClientWire } from './codec-sdk.js'
import { FrameType, type ClientFrame, type ServerFrame, type UnknownFrame } from './frames.js'
import type { ClientWire, MessageWire } from './wire.js'

/** The names of a frame's fields, in the order of the wire. */
type Names<Frame extends { readonly type: string }> = {
  readonly [Type in Frame['type']]: readonly Exclude<keyof Extract<Frame, { readonly type: Type }>, 'type'>[]
}

const message = ['seq', 'author', 'clientId', 'n', 'time', 'name', 'payload'] as const

const clientNames: Names<ClientFrame> = {
  hello: ['version', 'token', 'clientId', 'agent'],
  join: ['request', 'room', 'epoch', 'after', 'stateVector'],
  leave: ['room'],
  update: ['room', 'n', 'update'],
  presence: ['room', 'awareness'],
  append: ['room', 'n', 'name', 'payload'],
  broadcast: ['room', 'name', 'payload'],
  auth: ['token'],
  ping: ['id'],
  pong: ['id'],
  history: ['request', 'room', 'after', 'before', 'limit'],
  seed: ['room', 'n', 'update'],
}

const serverNames: Names<ServerFrame> = {
  welcome: ['version', 'session', 'node', 'user', 'heartbeat', 'limits'],
  joined: ['request', 'room', 'epoch', 'head', 'access', 'mode', 'stateVector'],
  sync: ['room', 'part', 'data'],
  updates: ['room', 'updates'],
  ack: ['room', 'n', 'seq'],
  nack: ['room', 'n', 'code', 'message'],
  presences: ['room', 'awareness'],
  event: ['room', ...message],
  broadcasted: ['room', 'author', 'name', 'payload'],
  watermark: ['room', 'seq'],
  left: ['room', 'code', 'message'],
  error: ['request', 'code', 'message', 'retryAfter'],
  authed: ['user', 'expires'],
  drain: ['delay'],
  historyPage: ['request', 'room', 'events', 'more'],
  users: ['room', 'users'],
  access: ['room', 'access', 'message'],
  ping: ['id'],
  pong: ['id'],
}

const serverTypes = new Map(
  (Object.keys(serverNames) as ServerFrame['type'][]).map((type) => [FrameType[type] as number, type]),
)

/** What the values of some fields stand for. */
const meanings: Readonly<Record<string, (value: never) => unknown>> = {
  access: (index: number) => (['read', 'write'] as const)[index],
  mode: (index: number) => (['full', 'resume', 'diff'] as const)[index],
  part: (index: number) => (['more', 'update', 'done'] as const)[index],
  events: (rows: readonly MessageWire[]) => rows.map((row) => named(message, row)),
  users: (rows: readonly (readonly [number, string | null])[]) => rows.map(([id, user]) => ({ id, user })),
}

const named = (names: readonly string[], values: readonly unknown[]): Record<string, unknown> => {
  const fields: Record<string, unknown> = {}
  names.forEach((name, index) => {
    const value = values[index]
    fields[name] = meanings[name]?.(value as never) ?? value
  })
  return fields
}

/**
 * Decodes a frame that a server sent.
 * @throws {ProtocolError} `invalid_frame`
 */
export const decodeServerFrame = (bytes: Uint8Array): ServerFrame | UnknownFrame => {
  const [number, ...values] = decodeServerWire(bytes)
  const type = serverTypes.get(number)
  if (type === undefined) return { type: 'unknown', number: values[0] as number }
  return { type, ...named(serverNames[type], values) } as unknown as ServerFrame
}

/** Encodes a frame for a server. The bytes are the caller's own. */
export const encodeClientFrame = (frame: ClientFrame): Uint8Array => {
  const fields = frame as unknown as Readonly<Record<string, unknown>>
  const values = clientNames[frame.type].map((name) => fields[name])
  return encodeClientWire([FrameType[frame.type], ...values] as unknown as ClientWire)
}
