import * as Y from 'yjs'
import { Coverage, decodeStateVector, inspectUpdate, trimKnown, type Inspection } from '../crdt/index.js'
import type { Seq } from '../ids.js'
import { mergeAll } from './merge.js'
import { messageOf } from '../message-of.js'

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
  const goal = new Coverage()
  if (base !== null) goal.add(inspectUpdate(base))
  for (const { inspection } of pieces) goal.add(inspection)

  // The ways in turn: as they come; merged first, which cuts overlaps; whole merged, without a document.
  // Nearly always the first one does it. Otherwise structs forged under another client's id meet the true ones, and
  // Yjs throws, or drops pending structs; so far nobody's update is left out.
  let best: State | null = null
  const inOrder = (): readonly Piece[] => integrable(base, pieces)
  for (const way of [
    () => finish(applyInBatches(base, pieces)),
    () => finish(applyInBatches(base, inOrder())),
    () => finish(startFrom(mergeTrimmed(base, inOrder()))),
  ]) {
    const state = attempt(way)
    if (state === null) continue
    if (reaches(state, goal)) return { ...state, failed: [] }
    // A document that got updates out of order may hold back what it could integrate: one that gets all at once does.
    const again = attempt(() => finish(startFrom(state.state)))
    if (again !== null && reaches(again, goal)) return { ...again, failed: [] }
    for (const each of [state, again])
      if (each !== null && (best === null || clocks(each) > clocks(best))) best = each
  }
  if (best !== null) return { ...best, failed: [] }
  // One of them must go: from the start, one by one.
  const { doc, failed } = applyOneByOne(base, pieces)
  return { ...finish(doc), failed }
}

/**
 * Merges a base and the updates after it without a document: everything is kept, deleted content too. For a room that costs
 * a document too much time or memory; this costs in proportion to the bytes.
 * @throws {UpdateInvalidError} when the result does not pass inspection
 */
export function mergeState(base: Uint8Array | null, pieces: readonly Piece[]): BuiltState {
  const state = mergeTrimmed(base, integrable(base, pieces))
  const coverage = new Coverage()
  coverage.add(inspectUpdate(state))
  return { state, stateVector: coverage.encodeStateVector(), failed: [] }
}

interface State {
  readonly state: Uint8Array
  readonly stateVector: Uint8Array
}

/** A document that threw halfway is not to be trusted: each way starts with a new one. */
function attempt(way: () => State): State | null {
  try {
    return way()
  } catch {
    return null
  }
}

function reaches({ stateVector }: State, goal: Coverage): boolean {
  const integrated = decodeStateVector(stateVector)
  for (const [client, clock] of goal.stateVector()) {
    if ((integrated.get(client) ?? 0) < clock) return false
  }
  return true
}

function clocks({ stateVector }: State): number {
  return [...decodeStateVector(stateVector).values()].reduce((sum, clock) => sum + clock, 0)
}

/** The pieces in an order in which each can be integrated at once, those that cannot at all last. */
function integrable(base: Uint8Array | null, pieces: readonly Piece[]): Piece[] {
  const coverage = new Coverage()
  if (base !== null) coverage.add(inspectUpdate(base))
  const order: Piece[] = []
  const waiting = new Map<number, Piece>()
  for (const [i, piece] of pieces.entries()) {
    if (coverage.add(piece.inspection, i)) order.push(piece)
    else waiting.set(i, piece)
    for (const tag of coverage.takeReleased()) {
      const released = waiting.get(tag)
      if (released !== undefined) order.push(released)
      waiting.delete(tag)
    }
  }
  return [...order, ...waiting.values()]
}

/** One update in which the first to say something about a struct is right. */
function mergeTrimmed(base: Uint8Array | null, pieces: readonly Piece[]): Uint8Array {
  const coverage = new Coverage()
  const updates: Uint8Array[] = []
  if (base !== null) {
    coverage.add(inspectUpdate(base))
    updates.push(base)
  }
  for (const { update, inspection } of pieces) {
    updates.push(trimKnown(update, inspection, coverage))
    coverage.add(inspection)
  }
  return mergeAll(updates)
}

/**
 * The document as an update that passes inspection, so that it can be loaded again, and its state vector.
 *
 * `Y.encodeStateAsUpdate` merges what waits into what is integrated, and where both have a struct (one of them forged,
 * with needs that are never met), it may write the one that waits: the true one would be gone. So what waits is cut first.
 */
function finish(doc: Y.Doc): State {
  const { store } = doc
  const stateVector = Y.encodeStateVector(doc)
  const waiting: Uint8Array[] = []
  if (store.pendingStructs !== null) {
    waiting.push(Y.diffUpdate(Y.convertUpdateFormatV2ToV1(store.pendingStructs.update), stateVector))
  }
  if (store.pendingDs !== null) waiting.push(Y.convertUpdateFormatV2ToV1(store.pendingDs))
  // The document is not used after this.
  store.pendingStructs = null
  store.pendingDs = null
  const state = Y.mergeUpdates([Y.encodeStateAsUpdate(doc), ...waiting])
  inspectUpdate(state)
  return { state, stateVector }
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
): { doc: Y.Doc; failed: FailedPiece[] } {
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
    } catch (error) {
      failed.push({ seq: piece.seq, reason: messageOf(error) })
      doc = startFrom(checkpoint)
      for (const before of sinceCheckpoint) apply(doc, before)
    }
  }
  return { doc, failed }
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
 * An update without the structs that are known. Yjs skips those itself, but trusts that both agree on what they are: where
 * they do not (forged ids), it throws, ties two parents' content into one list, or keeps the forged one waiting.
 */
function trimmed(doc: Y.Doc, { update, inspection }: Piece): Uint8Array {
  for (const range of inspection.structs) {
    if (Y.getState(doc.store, range.client) > range.clock)
      return Y.diffUpdate(update, Y.encodeStateVector(doc))
  }
  return update
}
