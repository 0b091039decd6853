/* What becomes of the changes that the server refuses, and of those that are lost with their room. See `on-demand.ts`. */
import { discardOf } from './discard.js'
import type { WeftError } from './errors.js'
import type { LocalChanges } from './local-changes.js'
import type { Change } from './outbox.js'

/** What becomes of an update that was refused. */
interface Refusal {
  /** Whether the changes after it can still land. If not they are lost with it. */
  readonly keepsLater: boolean
  /** What is sent in its place, so that they do; null when they do not need it. */
  readonly replacement: Uint8Array | null
  /** A Yjs update that takes its content out of the document; null when nothing does, and it has to be replaced. */
  readonly undo: Uint8Array | null
}

/** Change `n` was refused. */
export const refuse = (changes: LocalChanges, n: number, error: WeftError): void => {
  const { sender } = changes
  const change = sender.remove(n, error)
  if (!change) return
  handle(changes, change, error, false)
  sender.settle()
}

/** A change of a closed tab, which this client has sent for it, was refused. */
export const refuseCarried = (changes: LocalChanges, change: Change, error: WeftError): void =>
  handle(changes, change, error, true)

/** The room was deleted and made again. Returns the updates that are lost. */
export const recreated = (changes: LocalChanges, error: WeftError): Uint8Array[] => {
  const lost = giveUp(changes, 0, error)
  changes.sender.fail(error)
  changes.events.reset(error)
  return lost
}

/** Gives up the changes from `n` on. Returns the updates among them. */
const giveUp = (
  { sender, events, seeds, replacements }: LocalChanges,
  from: number,
  error: WeftError,
): Uint8Array[] => {
  const lost = sender.clearFrom(from, error)
  for (const { n } of lost) {
    replacements.delete(n)
    events.refused(n, error)
    seeds.reject(n, error)
  }
  return lost.flatMap((change) => (change.kind === 'update' ? [change.update] : []))
}

const handle = (changes: LocalChanges, change: Change, error: WeftError, carried: boolean): void => {
  const { room, sender, events, seeds, replacements, shared } = changes
  const { n } = change
  const { code, message } = error
  const told = { n, code, message }
  if (change.kind === 'seed') {
    if (!carried) seeds.reject(n, error)
  } else if (change.kind === 'event') {
    if (!carried) events.refused(n, error)
    const { kind, name, payload } = change
    room.emit('rejected', {
      ...told,
      kind,
      name,
      payload: shared.decodeValue(payload),
      outcome: 'dropped',
    })
  } else {
    // In Yjs what was typed later hangs on what was refused: its place has to be filled, or it has to go as well.
    const { kind, update } = change
    const standIn = !carried && replacements.delete(n)
    const { keepsLater, replacement, undo } = refusalOf(update, code, standIn, shared)
    room.emit('rejected', {
      ...told,
      kind,
      update,
      outcome: undo ? 'discarded' : 'reset',
    })
    // The listener may have left.
    if (room.over) return
    if (replacement) replacements.add(sender.add(replacement, true))
    if (undo) room.apply([undo])
    else {
      // The numbers of a closed tab say nothing about this client's changes.
      const lost = keepsLater || carried ? [] : giveUp(changes, n, error)
      room.replace([update, ...lost], sender.outbox.updates)
    }
  }
}

/** @param standIn whether the update itself stands in for one that was refused before: there is no third way */
const refusalOf = (
  update: Uint8Array,
  code: string,
  standIn: boolean,
  { encodeDeletes }: LocalChanges['shared'],
): Refusal => {
  // Otherwise nothing else of this client would be accepted either.
  if (code !== 'forbidden' && code !== 'room_deleted' && !standIn) {
    try {
      const { replacement, undo, deletesOthers } = discardOf(update, encodeDeletes)
      // What others wrote cannot be brought back in a document that has deleted it.
      return {
        keepsLater: true,
        replacement,
        undo: deletesOthers ? null : undo,
      }
    } catch {
      // It does not decode: there is nothing to be taken out.
    }
  }
  return { keepsLater: false, replacement: null, undo: null }
}
