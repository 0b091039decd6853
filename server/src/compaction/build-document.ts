import * as Y from 'yjs'
import { Coverage, decodeStateVector, inspectUpdate, type Inspection } from '../crdt/index.js'
import type { Seq } from '../ids.js'
import { mergeAll } from './merge.js'

/** A stored update on its way into a document. */
export interface Piece {
  readonly seq: Seq
  readonly update: Uint8Array
  readonly inspection: Inspection
}

/** An update that the document cannot take. */
export interface FailedPiece {
  readonly seq: Seq
  readonly reason: string
}

export interface BuiltState {
  /** One Yjs update with everything in it, garbage collected; structs and deletes that still wait are in it too. */
  readonly state: Uint8Array
  /** What of it is integrated. */
  readonly stateVector: Uint8Array
  readonly failed: readonly FailedPiece[]
}

/** Updates per transaction: cleaning up after each one costs more than the update. */
const BATCH = 500

/** In the careful way, how many updates are applied again, at most, after one that failed. */
const CHECKPOINT = 100

/**
 * Merges a base and the updates after it through a Y.Doc with garbage collection. An update that the document cannot
 * take is left out alone and named in `failed`.
 * @throws what Yjs throws when the base itself cannot be applied
 */
export function buildState(base: Uint8Array | null, pieces: readonly Piece[]): BuiltState {
  try {
    return whole(finish(applyInBatches(base, pieces)), base, pieces, [])
  } catch (error) {
    if (pieces.length === 0) throw error
  }
  // Something in there throws, and a document that threw halfway is not to be trusted. Nearly always these are structs
  // forged under another client's id that meet the true ones: the merge cuts overlaps, and nobody's update is left out.
  try {
    return whole(finish(startFrom(mergeAll(updatesOf(base, pieces)))), base, pieces, [])
  } catch {
    // Then one of them must go: from the start, one by one.
  }
  const { doc, good, failed } = applyOneByOne(base, pieces)
  return whole(finish(doc), base, good, failed)
}

/** Structs and their state vector; they pass inspection, so that the snapshot can be loaded again. */
function finish(doc: Y.Doc): { state: Uint8Array; stateVector: Uint8Array } {
  const state = Y.encodeStateAsUpdate(doc)
  inspectUpdate(state)
  return { state, stateVector: Y.encodeStateVector(doc) }
}

/**
 * Checks the result against what went in, counted without Yjs. A document that got updates out of order may hold back
 * structs whose needs are met; one that gets the state at once takes them. Where even that integrates less (structs that
 * forge each other's ids can make Yjs drop pending ones), a plain merge, which drops nothing, takes its place.
 */
function whole(
  built: { state: Uint8Array; stateVector: Uint8Array },
  base: Uint8Array | null,
  pieces: readonly Piece[],
  failed: readonly FailedPiece[],
): BuiltState {
  const coverage = new Coverage()
  if (base !== null) coverage.add(inspectUpdate(base))
  for (const { inspection } of pieces) coverage.add(inspection)
  if (reaches(built.stateVector, coverage)) return { ...built, failed }
  const again = finish(startFrom(built.state))
  if (reaches(again.stateVector, coverage)) return { ...again, failed }
  return { state: mergeAll(updatesOf(base, pieces)), stateVector: coverage.encodeStateVector(), failed }
}

function reaches(stateVector: Uint8Array, coverage: Coverage): boolean {
  const integrated = decodeStateVector(stateVector)
  for (const [client, clock] of coverage.stateVector()) {
    if ((integrated.get(client) ?? 0) < clock) return false
  }
  return true
}

function updatesOf(base: Uint8Array | null, pieces: readonly Piece[]): Uint8Array[] {
  const updates = pieces.map((piece) => piece.update)
  return base === null ? updates : [base, ...updates]
}

function applyInBatches(base: Uint8Array | null, pieces: readonly Piece[]): Y.Doc {
  const doc = startFrom(base)
  for (let from = 0; from < pieces.length; from += BATCH) {
    change(doc, () => {
      for (const piece of pieces.slice(from, from + BATCH)) Y.applyUpdate(doc, trimmed(doc, piece))
    })
  }
  return doc
}

function applyOneByOne(
  base: Uint8Array | null,
  pieces: readonly Piece[],
): { doc: Y.Doc; good: Piece[]; failed: FailedPiece[] } {
  const good: Piece[] = []
  const failed: FailedPiece[] = []
  let checkpoint = base
  let sinceCheckpoint: Piece[] = []
  let doc = startFrom(base)
  for (const piece of pieces) {
    try {
      apply(doc, piece)
      // Some states only throw when they are written.
      if (sinceCheckpoint.length + 1 >= CHECKPOINT) {
        const { state } = finish(doc)
        checkpoint = state
        sinceCheckpoint = []
        doc = startFrom(state)
      } else {
        Y.encodeStateAsUpdate(doc)
        sinceCheckpoint.push(piece)
      }
      good.push(piece)
    } catch (error) {
      failed.push({ seq: piece.seq, reason: error instanceof Error ? error.message : String(error) })
      doc = startFrom(checkpoint)
      for (const before of sinceCheckpoint) apply(doc, before)
    }
  }
  return { doc, good, failed }
}

function apply(doc: Y.Doc, piece: Piece): void {
  change(doc, () => {
    Y.applyUpdate(doc, trimmed(doc, piece))
  })
}

function startFrom(base: Uint8Array | null): Y.Doc {
  const doc = new Y.Doc({ gc: true })
  if (base !== null) {
    change(doc, () => {
      Y.applyUpdate(doc, base)
    })
  }
  return doc
}

/**
 * One transaction, counted as local. After a remote one Yjs tidies up formatting marks by deletes of its own; in a
 * snapshot those would be changes that nobody made, that have no seq, and that clients who resume do not get.
 */
function change(doc: Y.Doc, run: () => void): void {
  doc.transact((transaction) => {
    run()
    transaction.local = true
  })
}

/**
 * An update without the beginning of structs whose beginning is known. Yjs cuts those itself, but trusts that both
 * agree on what they are: where they do not (forged ids), it throws, or ties two parents' content into one list.
 */
function trimmed(doc: Y.Doc, { update, inspection }: Piece): Uint8Array {
  for (const range of inspection.structs) {
    const known = Y.getState(doc.store, range.client)
    if (known > range.clock && known < range.clock + range.len) {
      return Y.diffUpdate(update, Y.encodeStateVector(doc))
    }
  }
  return update
}
