import type { Id, Inspection, Link, Range } from '../crdt/index.js'

/** An inspection as columns: a hundred thousand small objects would take the event loop half a second to clone (I5). */
export interface PackedInspection {
  readonly byteLength: number
  readonly empty: boolean
  readonly types: number
  /** client, clock, len, and so on. */
  readonly structs: Float64Array
  /** client, clock, the client and clock that it needs, and so on. */
  readonly links: Float64Array
  /** client, clock, and so on. */
  readonly deps: Float64Array
}

/** Without the deletes: nobody asks for those of a large update, and they may be a million. */
export function packInspection({
  byteLength,
  empty,
  types,
  structs,
  links,
  deps,
}: Inspection): PackedInspection {
  const packed = {
    byteLength,
    empty,
    types,
    structs: new Float64Array(structs.length * 3),
    links: new Float64Array(links.length * 4),
    deps: new Float64Array(deps.length * 2),
  }
  for (const [i, { client, clock, len }] of structs.entries()) packed.structs.set([client, clock, len], i * 3)
  for (const [i, { client, clock, needs }] of links.entries()) {
    packed.links.set([client, clock, needs.client, needs.clock], i * 4)
  }
  for (const [i, { client, clock }] of deps.entries()) packed.deps.set([client, clock], i * 2)
  return packed
}

/** The inspection again; its `deletes` are empty. */
export function unpackInspection(packed: PackedInspection): Inspection {
  const at = (column: Float64Array, place: number): number => column[place] ?? 0
  const structs: Range[] = []
  for (let i = 0; i < packed.structs.length; i += 3) {
    const { structs: column } = packed
    structs.push({ client: at(column, i), clock: at(column, i + 1), len: at(column, i + 2) })
  }
  const links: Link[] = []
  for (let i = 0; i < packed.links.length; i += 4) {
    const { links: column } = packed
    const needs = { client: at(column, i + 2), clock: at(column, i + 3) }
    links.push({ client: at(column, i), clock: at(column, i + 1), needs })
  }
  const deps: Id[] = []
  for (let i = 0; i < packed.deps.length; i += 2) {
    deps.push({ client: at(packed.deps, i), clock: at(packed.deps, i + 1) })
  }
  const { byteLength, empty, types } = packed
  return { byteLength, empty, types, structs, links, deps, deletes: [] }
}
