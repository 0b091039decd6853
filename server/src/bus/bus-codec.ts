/*
 * The bytes between nodes. A payload is the version (one byte), the sender's node id (a MessagePack string), and then one or
 * more messages up to its end, each a MessagePack array that starts with its kind:
 *
 *   [1, first, [update...]]                                  relay
 *   [2, head, [seq, number, seq, number...], [event...]]     committed
 *   [3, author | nil, name, payload]                         broadcast
 *   [4, 0 | 1, [entry...]]                                   presence (1: whole)
 *   [5]                                                      presence_wanted
 *   [16]                                                     alive (the node channel)
 *   [17]                                                     bye (the node channel)
 *   [18, do, tenant, user | nil, room | nil, id | time | nil, grant | nil, 0 | 1 (final)]
 *                                                            control (the node channel)
 *   [19]                                                     hears_commits (the node channel, beside each alive)
 *   [32, room, head, [seq, number, seq, number...]]          committed without events (the commits channel)
 *
 *   event: [seq, 0 (update) | 1 (message), author | nil, client id | nil, client seq | nil, name | nil, payload, created at]
 *   entry: [connection, user | nil, client id, clock, state | nil]
 *
 * A kind that is not known is passed over, so that nodes of two releases can run side by side. A kind never changes its fields:
 * a message with others gets a new kind.
 *
 * A node that says alive without hears_commits is of a release that does not listen to the commits channel: while there is one,
 * what was committed is told on the channels of the rooms.
 */
import { grantText, parseGrantText } from '../auth/index.js'
import { ProtocolError, Reader, Writer } from '@weft/protocol'
import { asRoomId, type RoomId } from '../ids.js'
import type { StoredEvent } from '../store/types.js'
import type { BusMessage, BusPresence, ControlCommand, NodeId, NodeMessage } from './types.js'

const version = 1

const kinds = {
  relay: 1,
  committed: 2,
  broadcast: 3,
  presence: 4,
  presence_wanted: 5,
  alive: 16,
  bye: 17,
  control: 18,
} as const satisfies Record<(BusMessage | NodeMessage)['kind'], number>

/** On the node channel, and on the commits channel. */
const hearsCommitsKind = 19
const roomCommittedKind = 32

/** Says of the sender that it listens to the commits channel. Not for those who listen to announcements. */
export interface HearsCommits {
  readonly kind: 'hears_commits'
}

/** A notice that names updates by their numbers and carries no events: small enough to go to every node. */
export type CommitNotice = Extract<BusMessage, { kind: 'committed' }>

/** A notice on the commits channel, with its room. */
export interface RoomNotice {
  readonly room: RoomId
  readonly notice: CommitNotice
}

/** How deep a message of a kind that is not known may be nested. */
const unknownDepth = 8

/** What is in front of the messages of every payload of a node. */
export const encodeSender = (node: NodeId): Uint8Array => {
  const id = new Writer().string(node).finish()
  return Uint8Array.of(version, ...id)
}

/** @throws {ProtocolError} for a number that is not an integer from 0 to 2^53 - 1 */
export const encodeMessage = (message: BusMessage | NodeMessage): Uint8Array => {
  const writer = new Writer()
  const start = (fields: number): Writer => writer.arrayHeader(fields + 1).uint(kinds[message.kind])
  switch (message.kind) {
    case 'relay':
      start(2).uint(message.first).arrayHeader(message.updates.length)
      for (const update of message.updates) writer.binary(update)
      break
    case 'committed':
      start(3)
        .uint(message.head)
        .arrayHeader(message.updates.length * 2)
      for (const { seq, number } of message.updates) writer.uint(seq).uint(number)
      writer.arrayHeader(message.messages.length)
      for (const event of message.messages) writeEvent(writer, event)
      break
    case 'broadcast':
      start(3).stringOrNil(message.author).string(message.name).binary(message.payload)
      break
    case 'presence':
      start(2)
        .uint(message.whole ? 1 : 0)
        .arrayHeader(message.entries.length)
      for (const { connection, user, clientId, clock, state } of message.entries) {
        writer
          .arrayHeader(5)
          .string(connection)
          .stringOrNil(user)
          .uint(clientId)
          .uint(clock)
          .stringOrNil(state)
      }
      break
    case 'control':
      writeCommand(start(7), message.command)
      break
    case 'presence_wanted':
    case 'alive':
    case 'bye':
      start(0)
  }
  return writer.finish()
}

export const encodeHearsCommits = (): Uint8Array =>
  new Writer().arrayHeader(1).uint(hearsCommitsKind).finish()

/** A notice for the commits channel; its messages are not written. @throws {ProtocolError} as `encodeMessage` does */
export const encodeRoomNotice = (room: RoomId, { head, updates }: CommitNotice): Uint8Array => {
  const writer = new Writer()
    .arrayHeader(4)
    .uint(roomCommittedKind)
    .uint(room)
    .uint(head)
    .arrayHeader(updates.length * 2)
  for (const { seq, number } of updates) writer.uint(seq).uint(number)
  return writer.finish()
}

const writeCommand = (writer: Writer, command: ControlCommand): void => {
  writer
    .string(command.do)
    .string(command.tenant)
    .stringOrNil('user' in command ? command.user : null)
    .stringOrNil('room' in command ? command.room : null)
    // Nodes of earlier versions read both fields in every command: a time is where only a room's deletion has an id.
    .uintOrNil('id' in command ? command.id : 'at' in command ? command.at : null)
    .stringOrNil(
      'permissions' in command && command.permissions !== null ? grantText(command.permissions) : null,
    )
    .uint('final' in command && command.final ? 1 : 0)
}

const writeEvent = (writer: Writer, event: StoredEvent): void => {
  writer
    .arrayHeader(8)
    .uint(event.seq)
    .uint(event.kind === 'message' ? 1 : 0)
    .stringOrNil(event.author)
    .stringOrNil(event.clientId)
    .uintOrNil(event.clientSeq)
    .stringOrNil(event.name)
    .binary(event.payload)
    .uint(event.createdAt)
}

export interface BusPayload<M> {
  readonly from: NodeId
  /** They share the payload's memory. */
  readonly messages: readonly M[]
  /** Messages of kinds that are not known here. */
  readonly unknown: number
}

/**
 * Reads what came from a room's channel.
 * @returns null for what no node sends: another version, malformed, or not of the bus at all
 */
export const decodeRoomPayload = (bytes: Uint8Array, self: NodeId): BusPayload<BusMessage> | 'own' | null =>
  decode(bytes, self, readRoomMessage)

/** The same for the node channel. */
export const decodeNodePayload = (
  bytes: Uint8Array,
  self: NodeId,
): BusPayload<NodeMessage | HearsCommits> | 'own' | null => decode(bytes, self, readNodeMessage)

/** The same for the commits channel. */
export const decodeCommitsPayload = (
  bytes: Uint8Array,
  self: NodeId,
): BusPayload<RoomNotice> | 'own' | null => decode(bytes, self, readRoomNotice)

/** Reads the fields after the kind; null when the kind is not known. */
type ReadMessage<M> = (kind: number, fields: number, reader: Reader) => M | null

const decode = <M>(bytes: Uint8Array, self: NodeId, read: ReadMessage<M>): BusPayload<M> | 'own' | null => {
  if (bytes[0] !== version) return null
  try {
    const reader = new Reader(bytes.subarray(1))
    const from = reader.string('the sender', bytes.length)
    if (from === '') return null
    if (from === self) return 'own'
    const messages: M[] = []
    let unknown = 0
    do {
      const fields = reader.arrayHeader('a message') - 1
      const message = read(reader.uint('the kind'), fields, reader)
      if (message !== null) messages.push(message)
      else {
        unknown++
        for (let field = 0; field < fields; field++) reader.skip('a field', unknownDepth)
      }
    } while (!reader.atEnd)
    return { from, messages, unknown }
  } catch (error) {
    if (error instanceof ProtocolError) return null
    throw error
  }
}

const readRoomMessage: ReadMessage<BusMessage> = (kind, fields, reader) => {
  switch (kind) {
    case kinds.relay:
      expectFields(fields, 2)
      return {
        kind: 'relay',
        first: reader.uint('the first number'),
        updates: readList(reader, () => reader.binary('an update')),
      }
    case kinds.committed:
      expectFields(fields, 3)
      return {
        kind: 'committed',
        head: reader.uint('the head'),
        updates: readNumbers(reader),
        messages: readList(reader, () => readEvent(reader)),
      }
    case kinds.broadcast:
      expectFields(fields, 3)
      return {
        kind: 'broadcast',
        author: reader.stringOrNil('the author', reader.bytes.length),
        name: reader.string('the name', reader.bytes.length),
        payload: reader.binary('the payload'),
      }
    case kinds.presence:
      expectFields(fields, 2)
      return {
        kind: 'presence',
        whole: readFlag(reader),
        entries: readList(reader, () => readEntry(reader)),
      }
    case kinds.presence_wanted:
      expectFields(fields, 0)
      return { kind: 'presence_wanted' }
    default:
      return null
  }
}

const readRoomNotice: ReadMessage<RoomNotice> = (kind, fields, reader) => {
  if (kind !== roomCommittedKind) return null
  expectFields(fields, 3)
  return {
    room: asRoomId(reader.uint('the room id')),
    notice: {
      kind: 'committed',
      head: reader.uint('the head'),
      updates: readNumbers(reader),
      messages: [],
    },
  }
}

const readNodeMessage: ReadMessage<NodeMessage | HearsCommits> = (kind, fields, reader) => {
  if (kind === hearsCommitsKind) {
    expectFields(fields, 0)
    return { kind: 'hears_commits' }
  }
  if (kind === kinds.control) {
    expectFields(fields, 7)
    const command = readCommand(reader)
    // A command of a later release.
    return command === null ? null : { kind: 'control', command }
  }
  if (kind !== kinds.alive && kind !== kinds.bye) return null
  expectFields(fields, 0)
  return { kind: kind === kinds.alive ? 'alive' : 'bye' }
}

const malformed = (what: string): ProtocolError => new ProtocolError('invalid_frame', what)

const expectFields = (fields: number, expected: number): void => {
  if (fields !== expected) throw malformed(`${fields} fields in place of ${expected}`)
}

/** Every element takes a byte at least: a length that lies ends at the payload's end, and allocates nothing before. */
const readList = <T>(reader: Reader, read: () => T): T[] => {
  const count = reader.arrayHeader('a list')
  const list: T[] = []
  for (let i = 0; i < count; i++) list.push(read())
  return list
}

const readFlag = (reader: Reader): boolean => {
  const flag = reader.uint('a flag')
  if (flag > 1) throw malformed('a flag is neither 0 nor 1')
  return flag === 1
}

const readNumbers = (reader: Reader): { seq: number; number: number }[] => {
  const count = reader.arrayHeader('the updates')
  if (count % 2 !== 0) throw malformed('a seq without its relay number')
  const updates: { seq: number; number: number }[] = []
  for (let i = 0; i < count; i += 2) {
    updates.push({ seq: reader.uint('a seq'), number: reader.uint('a relay number') })
  }
  return updates
}

const readCommand = (reader: Reader): ControlCommand | null => {
  const most = reader.bytes.length
  const name = reader.string('the command', most)
  const tenant = reader.string('the tenant', most)
  const user = reader.stringOrNil('the user', most)
  const room = reader.stringOrNil('the room', most)
  const id = reader.uintOrNil('the room id')
  const grant = reader.stringOrNil('the grant', most)
  const final = readFlag(reader)
  const permissions = grant === null ? null : parseGrantText(grant)
  if (permissions === undefined) throw malformed('a grant is none')
  switch (name) {
    case 'close_room':
      return { do: name, tenant, room: present(room) }
    case 'room_deleted':
      return { do: name, tenant, room: present(room), id: asRoomId(present(id)) }
    case 'disconnect':
      return { do: name, tenant, user: present(user), final, at: id ?? Date.now() }
    case 'grant':
      return { do: name, tenant, user: present(user), room: present(room), permissions, at: id ?? Date.now() }
    case 'reauthorize':
      return { do: name, tenant, user: present(user), room }
    default:
      return null
  }
}

const present = <T>(value: T | null): T => {
  if (value === null) throw malformed('a command lacks what it is about')
  return value
}

const readEvent = (reader: Reader): StoredEvent => {
  expectFields(reader.arrayHeader('an event'), 8)
  const most = reader.bytes.length
  return {
    seq: reader.uint('the seq'),
    kind: readFlag(reader) ? 'message' : 'update',
    author: reader.stringOrNil('the author', most),
    clientId: reader.stringOrNil('the client id', most),
    clientSeq: reader.uintOrNil('the client seq'),
    name: reader.stringOrNil('the name', most),
    payload: reader.binary('the payload'),
    createdAt: reader.uint('the time'),
  }
}

const readEntry = (reader: Reader): BusPresence => {
  expectFields(reader.arrayHeader('an entry'), 5)
  const most = reader.bytes.length
  return {
    connection: reader.string('the connection', most),
    user: reader.stringOrNil('the user', most),
    clientId: reader.uint('the client id'),
    clock: reader.uint('the clock'),
    state: reader.stringOrNil('the state', most),
  }
}
