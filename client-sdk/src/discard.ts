/*
 * What is sent in place of an update that the server refused. In Yjs a later change of a client hangs on its earlier
 * ones: without them it would wait for ever, at everybody. So the refused stretch of clocks is sent as deleted content.
 */
import * as encoding from 'lib0/encoding'
import * as Y from 'yjs'
import type { Deletes } from './deletes.js'

type Struct = ReturnType<typeof Y.decodeUpdate>['structs'][number]

/** What discarding an update comes to. */
export interface Discard {
  /** The same clocks as deleted content, and none of the update's deletes. Null when the update has no structs. */
  readonly replacement: Uint8Array | null
  /** A Yjs update that deletes the content in a document that has it. */
  readonly undo: Uint8Array
  /** Whether the update deletes what is not its own: that cannot be undone in a document that has applied it. */
  readonly deletesOthers: boolean
}

/**
 * Finds what it takes to discard an update.
 * @param encodeDeletes that of `deletes.ts`
 * @throws when it does not decode
 */
export const discardOf = (update: Uint8Array, encodeDeletes: (deletes: Deletes) => Uint8Array): Discard => {
  const { structs, ds } = Y.decodeUpdate(update)
  const own = clocksOf(structs)
  return {
    replacement: own.clients.size === 0 ? null : asDeleted(structs),
    undo: encodeDeletes(own),
    deletesOthers: !Y.equalDeleteSets(Y.mergeDeleteSets([own, ds]), own),
  }
}

/** The clocks that structs fill, in order and joined where they touch. */
const clocksOf = (structs: readonly Struct[]): Deletes => {
  const clients = new Map<number, { readonly clock: number; readonly len: number }[]>()
  for (const { id, length } of structs.filter((struct) => !(struct instanceof Y.Skip))) {
    const { client, clock } = id
    const range = { clock, len: length }
    const ranges = clients.get(client)
    if (ranges) ranges.push(range)
    else clients.set(client, [range])
  }
  // Yjs makes it a set of its own; the class of what it takes is not exported.
  // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment
  return Y.mergeDeleteSets([{ clients }])
}

/**
 * Items keep their place (their origins), so that what was typed after them finds its own: only the content goes. A GC
 * struct in their place would take with it everything that hangs on it.
 */
const asDeleted = (structs: readonly Struct[]): Uint8Array => {
  const byClient = new Map<number, Struct[]>()
  for (const struct of structs) {
    const { client } = struct.id
    const group = byClient.get(client)
    if (group) group.push(struct)
    else byClient.set(client, [struct])
  }
  const encoder = new Y.UpdateEncoderV1()
  const write = (value: number): void => encoding.writeVarUint(encoder.restEncoder, value)
  write(byClient.size)
  for (const [client, group] of byClient) {
    write(group.length)
    encoder.writeClient(client)
    write(group[0]?.id.clock ?? 0)
    for (const struct of group) deletedStruct(struct).write(encoder, 0)
  }
  // No deletes: the content is born deleted.
  write(0)
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
