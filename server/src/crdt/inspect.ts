import * as decoding from 'lib0/decoding'
import { DependencyList } from './dependency-list.js'
import { UpdateInvalidError } from './errors.js'
import { NO_RANGES, StructScanner } from './scanner.js'
import { messageOf } from '../message-of.js'

/** A position in what a Yjs client wrote. As a dependency: everything of `client` up to and including `clock`. */
export interface Id {
  readonly client: number
  readonly clock: number
}

/** The clocks `clock` to `clock + len - 1` of one client. */
export interface Range {
  readonly client: number
  readonly clock: number
  readonly len: number
}

/** What `client` wrote from `clock` on cannot be integrated before `needs` is. `needs` is of another client. */
export interface Link {
  readonly client: number
  readonly clock: number
  readonly needs: Id
}

/** What an update holds and what it builds on, without a Y.Doc. */
export interface Inspection {
  /** The size of the update in bytes. */
  readonly byteLength: number
  /** Contiguous ranges of real structs (no skips), in the order of the update: clients descending, clocks ascending. */
  readonly structs: readonly Range[]
  /** Struct dependencies on other clients, also those that the update itself supplies. Same order as `structs`. */
  readonly links: readonly Link[]
  /** What it deletes: ranges, ascending and apart within each client. */
  readonly deletes: readonly Range[]
  /**
   * What must be known for everything in the update to take effect, deletes included, and that the update does not
   * supply itself: at most one entry a client.
   */
  readonly deps: readonly Id[]
  /** Shared types that it makes. Nested by the thousand, they overflow the stack of who deletes the outermost. */
  readonly types: number
  /** Neither structs nor deletes: the update does nothing. */
  readonly empty: boolean
}

/** Above one of these an update is inspected in a worker, so that the event loop does not wait for it (I5). */
export interface LargeUpdateLimits {
  /** In bytes. */
  readonly bytes: number
  /** Structs of the first client in the update. */
  readonly structs: number
  /** Clients in the update. */
  readonly clients: number
}

/** 64 KiB are inspected in 1 to 3 ms when they hold nothing but tiny structs. */
export const LARGE_UPDATE: LargeUpdateLimits = { bytes: 64 * 1024, structs: 4096, clients: 256 }

/** Whether an update belongs in a worker. Reads three numbers; malformed bytes are "not large" and fail at once later. */
export function isLarge(update: Uint8Array, limits: LargeUpdateLimits = LARGE_UPDATE): boolean {
  if (update.byteLength > limits.bytes) return true
  // Each struct takes two bytes at least: most updates cannot be large, whatever they claim.
  if (update.byteLength < 2 * Math.min(limits.structs, limits.clients)) return false
  try {
    const decoder = new decoding.Decoder(update)
    const clients = decoding.readVarUint(decoder)
    return clients > limits.clients || (clients > 0 && decoding.readVarUint(decoder) > limits.structs)
  } catch {
    return false // inspectUpdate says what is wrong with it
  }
}

/** What one update may hold at most; past it the update is refused (P78). */
export interface UpdateLimits {
  /** Structs, skips included: clients build an object of each. */
  readonly structs: number
  /** Ranges that it deletes. */
  readonly deletes: number
  /** Ranges, links and dependencies together: the event loop takes in each of them, and keeps those that wait. */
  readonly pieces: number
}

/** Far above what documents of people have: 16 MiB of text that nobody typed in order come to less than a million structs. */
export const UPDATE_LIMITS: UpdateLimits = { structs: 1_000_000, deletes: 1_000_000, pieces: 200_000 }

/** For what is stored already: merged from many updates, each within its limits. */
const NO_LIMITS: UpdateLimits = { structs: Infinity, deletes: Infinity, pieces: Infinity }

const NO_LINKS: readonly Link[] = []
const NO_DEPS: readonly Id[] = []

/**
 * Reads a Yjs update (v1 encoding) and refuses what is not one, and what decodes but makes a later `applyUpdate`,
 * `mergeUpdates`, `diffUpdate` or `encodeStateAsUpdate` throw or lose other content (I7). Costs O(update), no Y.Doc.
 *
 * It reads the bytes itself instead of through `Y.decodeUpdate`, which hides what matters here: a client that stands
 * twice (`applyUpdate` drops the first, `mergeUpdates` does not), clients out of order (`mergeUpdates` drops content of
 * others), sections without structs, and bytes after the end.
 *
 * What it accepts stays acceptable when Yjs merges, diffs, applies and encodes it: the full state that an honest client
 * sends never fails because of what somebody else slipped in. So structs that wait for each other in a circle pass: they
 * never take effect and harm nothing, and a circle may as well come together from two updates.
 *
 * What depends on the document stays open: structs forged under another client's id, with other lengths than the true
 * ones, decode well and may fail against the true ones. Compaction applies around those, or quarantines them.
 * @param limits for what comes from a client and is large enough to reach them. Default: none
 * @throws {UpdateInvalidError} and nothing else
 */
export function inspectUpdate(update: Uint8Array, limits: UpdateLimits = NO_LIMITS): Inspection {
  try {
    scanner.open(update)
    return inspect(update.byteLength, limits)
  } catch (error) {
    if (error instanceof UpdateInvalidError) throw error
    // lib0's "unexpected end of array", JSON and UTF-8 errors; a stack overflow by nesting is bounded by the scanner.
    throw new UpdateInvalidError(`not a Yjs update: ${messageOf(error)}`, {
      cause: error,
    })
  } finally {
    scanner.close()
  }
}

/** Inspection does not wait for anything, so that one scanner serves every call. */
const scanner = new StructScanner()

function inspect(byteLength: number, limits: UpdateLimits): Inspection {
  let structs: Range[] = []
  let needs: DependencyList | null = null
  let links: Link[] | null = null

  const clients = scanner.count()
  let previousClient = Infinity
  let structCount = 0
  for (let section = 0; section < clients; section++) {
    const count = scanner.count()
    const client = scanner.client()
    if (client >= previousClient) throw new UpdateInvalidError(`client ${client} out of order or twice`)
    previousClient = client
    if (count === 0) throw new UpdateInvalidError(`client ${client} without structs`)
    structCount += count
    // Before they are read: the number is a claim, and a true one costs as many steps.
    if (structCount > limits.structs) throw tooMany('structs', limits.structs)
    let clock = scanner.clock()
    let rangeStart = clock
    let sectionNeeds: Map<number, number> | null = null
    const firstLink = links === null ? 0 : links.length
    for (let i = 0; i < count; i++) {
      const len = scanner.struct(client, clock)
      if (scanner.isSkip) {
        if (clock > rangeStart)
          structs = appended(structs, { client, clock: rangeStart, len: clock - rangeStart })
        clock = scanner.end(clock, len)
        rangeStart = clock
        continue
      }
      for (let n = 0; n < scanner.needCount; n++) {
        const needClient = n === 0 ? scanner.needClient : scanner.secondNeedClient
        const needClock = n === 0 ? scanner.needClock : scanner.secondNeedClock
        if (needClient === client) continue // earlier than its own clock (the scanner checks): said by the range's start
        needs ??= new DependencyList()
        needs.add(needClient, needClock)
        links ??= []
        // A struct needs what its predecessors of the same client needed: only what goes further makes a link.
        if (links.length > firstLink) {
          if (sectionNeeds === null) {
            sectionNeeds = new Map()
            const first = links[firstLink]
            if (first !== undefined) sectionNeeds.set(first.needs.client, first.needs.clock)
          }
          if ((sectionNeeds.get(needClient) ?? -1) >= needClock) continue
          sectionNeeds.set(needClient, needClock)
        }
        links.push({ client, clock, needs: { client: needClient, clock: needClock } })
      }
      clock = scanner.end(clock, len)
    }
    if (clock > rangeStart)
      structs = appended(structs, { client, clock: rangeStart, len: clock - rangeStart })
  }

  const deletes = scanner.deletes(limits.deletes)
  if (deletes !== NO_RANGES) {
    needs ??= new DependencyList()
    for (const range of deletes) needs.add(range.client, range.clock + range.len - 1)
  }
  scanner.finish()
  const allLinks = links ?? NO_LINKS
  const deps = dependencies(structs, needs)
  if (structs.length + allLinks.length + deps.length > limits.pieces) throw tooMany('pieces', limits.pieces)

  return {
    byteLength,
    structs,
    links: allLinks,
    deletes,
    deps,
    types: scanner.typeCount,
    empty: structs.length === 0 && deletes.length === 0,
  }
}

function tooMany(what: string, limit: number): UpdateInvalidError {
  return new UpdateInvalidError(`the update has more than ${limit} ${what}`)
}

/** A list that is made for its first element takes a tenth of one that is made empty: most updates have one struct. */
function appended(ranges: Range[], range: Range): Range[] {
  if (ranges.length === 0) return [range]
  ranges.push(range)
  return ranges
}

/** What the update needs from outside: the needs that it does not supply, and all that comes before its own ranges. */
function dependencies(structs: readonly Range[], needs: DependencyList | null): readonly Id[] {
  if (needs === null) {
    const range = structs[0]
    if (range === undefined) return NO_DEPS
    if (structs.length === 1) {
      return range.clock === 0 ? NO_DEPS : [{ client: range.client, clock: range.clock - 1 }]
    }
    needs = new DependencyList()
  }
  needs.dropSupplied(structs)
  for (const range of structs) {
    if (range.clock > 0) needs.add(range.client, range.clock - 1)
  }
  return needs.ids
}
