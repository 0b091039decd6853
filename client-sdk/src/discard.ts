/*
 * What is sent in place of an update that the server refused. In Yjs a later change of a client hangs on its earlier
 * ones: without them it would wait for ever, at everybody. So the refused stretch of clocks is sent as deleted content.
 */
import * as encoding from 'lib0/encoding'
import * as Y from 'yjs'

interface Range {
  readonly clock: number
  readonly len: number
}

type Ranges = ReadonlyMap<number, readonly Range[]>

type Decoded = ReturnType<typeof Y.decodeUpdate>

type Struct = Decoded['structs'][number]

/** What discarding an update comes to. */
export interface Discard {
  /** The same clocks as deleted content, and none of the update's deletes. Null when the update has no structs. */
  readonly replacement: Uint8Array | null
  /** A Yjs update that deletes the content in a document that has it. */
  readonly undo: Uint8Array
  /** Whether the update deletes what is not its own: that cannot be undone in a document that has applied it. */
  readonly deletesOthers: boolean
}

/** Finds what it takes to discard an update. @throws when it does not decode */
export const discardOf = (update: Uint8Array): Discard => {
  const decoded = Y.decodeUpdate(update)
  const own = rangesOf(decoded)
  return {
    replacement: own.size === 0 ? null : asDeleted(decoded),
    undo: encodeDeletes(own),
    deletesOthers: [...decoded.ds.clients].some(([client, ranges]) =>
      ranges.some((range) => !isWithin(range, own.get(client) ?? [])),
    ),
  }
}

/** The clocks that an update fills, by client, in order and joined where they touch. */
const rangesOf = ({ structs }: Decoded): Ranges => {
  const byClient = new Map<number, Range[]>()
  for (const struct of structs) {
    if (struct instanceof Y.Skip) continue
    const { client, clock } = struct.id
    const ranges = byClient.get(client)
    const last = ranges?.at(-1)
    if (ranges === undefined) byClient.set(client, [{ clock, len: struct.length }])
    else if (last !== undefined && last.clock + last.len === clock)
      ranges[ranges.length - 1] = { clock: last.clock, len: last.len + struct.length }
    else ranges.push({ clock, len: struct.length })
  }
  return byClient
}

const isWithin = ({ clock, len }: Range, ranges: readonly Range[]): boolean =>
  ranges.some((range) => range.clock <= clock && clock + len <= range.clock + range.len)

/**
 * Items keep their place (their origins), so that what was typed after them finds its own: only the content goes. A GC
 * struct in their place would take with it everything that hangs on it.
 */
const asDeleted = ({ structs }: Decoded): Uint8Array => {
  const byClient = new Map<number, Struct[]>()
  for (const struct of structs) {
    const { client } = struct.id
    const group = byClient.get(client)
    if (group === undefined) byClient.set(client, [struct])
    else group.push(struct)
  }
  const encoder = new Y.UpdateEncoderV1()
  encoding.writeVarUint(encoder.restEncoder, byClient.size)
  for (const [client, group] of byClient) {
    encoding.writeVarUint(encoder.restEncoder, group.length)
    encoder.writeClient(client)
    encoding.writeVarUint(encoder.restEncoder, group[0]?.id.clock ?? 0)
    for (const struct of group) deletedStruct(struct).write(encoder, 0)
  }
  // No deletes: the content is born deleted.
  encoding.writeVarUint(encoder.restEncoder, 0)
  return encoder.toUint8Array()
}

const deletedStruct = (struct: Struct): Struct => {
  if (!(struct instanceof Y.Item)) return struct
  const { id, origin, rightOrigin, parent, parentSub, length } = struct
  const content = new Y.ContentDeleted(length)
  // Yjs types it as AbstractContent, which it does not export and its contents do not extend.
  // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment
  return new Y.Item(id, null, origin, null, rightOrigin, parent, parentSub, content)
}

/** A Yjs update, v1 encoding, of deletes alone. */
export const encodeDeletes = (deletes: Ranges): Uint8Array => {
  const encoder = encoding.createEncoder()
  encoding.writeVarUint(encoder, 0)
  encoding.writeVarUint(encoder, deletes.size)
  for (const [client, ranges] of deletes) {
    encoding.writeVarUint(encoder, client)
    encoding.writeVarUint(encoder, ranges.length)
    for (const { clock, len } of ranges) {
      encoding.writeVarUint(encoder, clock)
      encoding.writeVarUint(encoder, len)
    }
  }
  return encoding.toUint8Array(encoder)
}
