import * as encoding from 'lib0/encoding'
import * as Y from 'yjs'
import type { Random } from './random.js'

/** Client ids from here on are used by no honest client. */
export const OWN_CLIENTS = 2 ** 40

type Struct = ReturnType<typeof Y.decodeUpdate>['structs'][number]
/** What every kind of content can do; yjs' declared base class is one that none of them extends. */
type Content = Pick<Y.Item['content'], keyof Y.Item['content']>
interface Deletes {
  client: number
  ranges: { clock: number; len: number }[]
}

/** Turns valid updates into hostile ones: on the level of bytes, and of structs, so that most of them still decode. */
export function mutateUpdate(random: Random, pool: readonly Uint8Array[]): Uint8Array {
  let update = random.pick(pool)
  if (random.chance(0.3)) update = Y.mergeUpdates([update, random.pick(pool), random.pick(pool)])
  return random.chance(0.6) ? mutateStructs(random, update, pool) : mutateBytes(random, update, pool)
}

function mutateBytes(random: Random, update: Uint8Array, pool: readonly Uint8Array[]): Uint8Array {
  let bytes = [...update]
  const times = 1 + random.int(3)
  for (let i = 0; i < times; i++) {
    const at = random.int(bytes.length + 1)
    switch (random.int(7)) {
      case 0:
        bytes[at % bytes.length] = (bytes[at % bytes.length] ?? 0) ^ (1 << random.int(8))
        break
      case 1:
        bytes.splice(at, 0, random.int(256))
        break
      case 2:
        bytes.splice(at, 1 + random.int(3))
        break
      case 3: // another varint
        bytes.splice(
          at,
          1,
          ...varUint(random.pick([0, 1, 2, 127, 128, 2 ** 31, 2 ** 32, 2 ** 53 - 1, 2 ** 53])),
        )
        break
      case 4: {
        const other = random.pick(pool)
        const from = random.int(other.length)
        bytes.splice(at, random.int(4), ...other.slice(from, from + random.int(12)))
        break
      }
      case 5: {
        const other = random.pick(pool)
        bytes = [...bytes.slice(0, at), ...other.slice(random.int(other.length))]
        break
      }
      default:
        bytes[at % bytes.length] = random.int(256)
    }
    if (bytes.length === 0) return new Uint8Array([0])
  }
  return Uint8Array.from(bytes)
}

function varUint(value: number): Uint8Array {
  return encoding.encode((encoder) => encoding.writeVarUint(encoder, value))
}

function mutateStructs(random: Random, update: Uint8Array, pool: readonly Uint8Array[]): Uint8Array {
  const { structs, ds } = Y.decodeUpdate(update)
  const others = Y.decodeUpdate(random.pick(pool)).structs
  const ids = [...structs, ...others].map((struct) => struct.id)
  const deletes: Deletes[] = [...ds.clients].map(([client, ranges]) => ({
    client,
    ranges: ranges.map(({ clock, len }) => ({ clock, len })),
  }))
  const someId = (): Y.ID => {
    const base = ids.length > 0 ? random.pick(ids) : Y.createID(7, 0)
    const client = random.chance(0.8)
      ? base.client
      : random.pick([0, 1, 7, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1])
    return Y.createID(client, Math.max(0, base.clock + random.int(7) - 3))
  }
  const list: Struct[] = [...structs]
  const times = 1 + random.int(3)
  for (let i = 0; i < times; i++) {
    const at = random.int(list.length + 1)
    const struct = list[at]
    switch (random.int(12)) {
      case 0:
        if (struct instanceof Y.Item) struct.origin = random.chance(0.2) ? null : someId()
        break
      case 1:
        if (struct instanceof Y.Item) struct.rightOrigin = random.chance(0.2) ? null : someId()
        break
      case 2:
        if (struct instanceof Y.Item) {
          struct.origin = null
          struct.rightOrigin = null
          // Before integration, a parent is an id, or the name of a root type.
          const parent: unknown = random.chance(0.5)
            ? someId()
            : random.pick(['text', 'map', 'array', 'xml', ''])
          struct.parent = parent as Y.ID
          struct.parentSub = random.pick([null, 'k', 'nested', ''])
        }
        break
      case 3: {
        // Moves a client's structs elsewhere in its clocks.
        const by = random.int(9) - 4
        const client = struct?.id.client
        for (const each of list) {
          if (each.id.client === client) each.id = Y.createID(each.id.client, Math.max(0, each.id.clock + by))
        }
        break
      }
      case 4: {
        // Another author, so that it forges or collides.
        const from = struct?.id.client
        const to = someId().client
        for (const each of list) if (each.id.client === from) each.id = Y.createID(to, each.id.clock)
        break
      }
      case 5:
        if (struct instanceof Y.Item) {
          struct.content = randomContent(random)
          struct.length = struct.content.getLength()
        }
        break
      case 6:
        if (struct !== undefined) list.splice(at, 0, struct)
        break
      case 7:
        list.splice(at, 1)
        break
      case 8: {
        const id = someId()
        list.splice(
          at,
          0,
          random.chance(0.5) ? new Y.GC(id, 1 + random.int(4)) : new Y.Skip(id, 1 + random.int(4)),
        )
        break
      }
      case 9:
        list.push(...others)
        break
      case 10:
        deletes.push({ client: someId().client, ranges: [{ clock: someId().clock, len: random.int(4) }] })
        break
      default:
        random.pick([() => list.reverse(), () => deletes.reverse(), () => list.splice(at)])()
    }
  }
  if (random.chance(0.5)) renameAuthors(random, list)
  // Mostly as a real peer writes them; what is out of order is refused at once and tests little.
  if (random.chance(0.85)) {
    list.sort((a, b) => b.id.client - a.id.client || a.id.clock - b.id.clock)
  }
  try {
    return encode(list, deletes)
  } catch {
    return update // not encodable: nobody can send it
  }
}

/** Under ids of its own, and not those of other people, with references to its own or to other people's structs. */
function renameAuthors(random: Random, list: Struct[]): void {
  const names = new Map<number, number>()
  const rename = (id: Y.ID): Y.ID => Y.createID(names.get(id.client) ?? id.client, id.clock)
  for (const { id } of list) names.set(id.client, random.int(1000) + OWN_CLIENTS)
  for (const struct of list) {
    struct.id = rename(struct.id)
    if (!(struct instanceof Y.Item)) continue
    if (struct.origin !== null && random.chance(0.5)) struct.origin = rename(struct.origin)
    if (struct.rightOrigin !== null && random.chance(0.5)) struct.rightOrigin = rename(struct.rightOrigin)
  }
}

function randomContent(random: Random): Content {
  return random.pick<() => Content>([
    () => new Y.ContentString(random.pick(['x', 'long string', '😀'])),
    () => new Y.ContentDeleted(1 + random.int(5)),
    () => new Y.ContentAny([1, 'x', { a: [null] }]),
    () => new Y.ContentJSON([1, undefined, { a: 1 }]),
    () => new Y.ContentBinary(new Uint8Array([1, 2, 3])),
    () => new Y.ContentEmbed({ e: 1 }),
    () => new Y.ContentFormat('bold', true),
    () =>
      new Y.ContentType(random.pick([() => new Y.Map(), () => new Y.Text(), () => new Y.XmlElement('p')])()),
    () => new Y.ContentDoc(new Y.Doc({ guid: 'g' })),
  ])()
}

/** Encodes structs in the order given. Their clocks are said by the first of each section; gaps become skips. */
function encode(list: readonly Struct[], deletes: readonly Deletes[]): Uint8Array {
  const sections: Struct[][] = []
  for (const struct of list) {
    const section = sections.at(-1)
    if (section?.[0]?.id.client === struct.id.client) section.push(struct)
    else sections.push([struct])
  }
  const encoder = new Y.UpdateEncoderV1()
  const rest = encoder.restEncoder
  encoding.writeVarUint(rest, sections.length)
  for (const section of sections) {
    const first = section[0]
    if (first === undefined) continue
    const withSkips: Struct[] = []
    let clock = first.id.clock
    for (const struct of section) {
      if (struct.id.clock > clock) {
        withSkips.push(new Y.Skip(Y.createID(struct.id.client, clock), struct.id.clock - clock))
        clock = struct.id.clock
      }
      withSkips.push(struct)
      clock += struct.length
    }
    encoding.writeVarUint(rest, withSkips.length)
    encoder.writeClient(first.id.client)
    encoding.writeVarUint(rest, first.id.clock)
    for (const struct of withSkips) struct.write(encoder, 0)
  }
  encoding.writeVarUint(rest, deletes.length)
  for (const { client, ranges } of deletes) {
    encoding.writeVarUint(rest, client)
    encoding.writeVarUint(rest, ranges.length)
    for (const { clock, len } of ranges) {
      encoding.writeVarUint(rest, clock)
      encoding.writeVarUint(rest, len)
    }
  }
  return encoder.toUint8Array()
}
