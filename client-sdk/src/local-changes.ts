/*
 * What a room's own client does in it: edits, messages and seeds on their way through the outbox, and what becomes of
 * those that the server refuses.
 */
import { decodeValue } from '@weft/protocol'
import * as Y from './yjs.js'
import type { WeftError } from './errors.js'
import { createEventLog, type EventLog, type ReadLog } from './event-log.js'
import { updatesOf, type Change } from './outbox.js'
import { refusalOf } from './refusal.js'
import type { RoomContext } from './room-context.js'
import { createSender, type Sender } from './sender.js'
import { createAnswers } from './waiters.js'

export interface LocalChanges {
  readonly sender: Sender
  readonly events: EventLog
  /** See {@link Room.seed}. @param empty whether the document is, asked after `fill` has run */
  seed(fill: (doc: Y.Doc) => void, empty: () => boolean): Promise<boolean>
  /** The room was deleted and made again. Returns the updates that are lost. */
  recreated(error: WeftError): Uint8Array[]
  /** The room was left: whoever waits is told. */
  end(error: WeftError): void
  /** A change of a closed tab, which this client has sent for it, was refused. */
  refusedCarried(change: Change, error: WeftError): void
}

/** @param first the number of the first change */
export const createLocalChanges = (first: number, room: RoomContext, read: ReadLog): LocalChanges => {
  const seeds = createAnswers<boolean>()
  /** Changes that stand in for refused ones. */
  const replacements = new Set<number>()

  /** Gives up the changes from `n` on. Returns the updates among them. */
  const giveUp = (from: number, error: WeftError): Uint8Array[] => {
    const lost = sender.clearFrom(from, error)
    for (const { n } of lost) {
      replacements.delete(n)
      events.refused(n, error)
      seeds.reject(n, error)
    }
    return updatesOf(lost)
  }

  const refused = (change: Change, error: WeftError, carried: boolean): void => {
    const { n } = change
    const { code, message } = error
    const told = { n, code, message }
    if (change.kind === 'seed') {
      if (carried) return
      if (code === 'not_empty') seeds.resolve(n, false)
      else seeds.reject(n, error)
    } else if (change.kind === 'event') {
      if (!carried) events.refused(n, error)
      const { kind, name, payload } = change
      room.emit('rejected', { ...told, kind, name, payload: decodeValue(payload), outcome: 'dropped' })
    } else {
      // In Yjs what was typed later hangs on what was refused: its place has to be filled, or it has to go as well.
      const { kind, update } = change
      const standIn = !carried && replacements.delete(n)
      const { keepsLater, replacement, undo } = refusalOf(update, code, standIn)
      room.emit('rejected', { ...told, kind, update, outcome: undo ? 'discarded' : 'reset' })
      // The listener may have left.
      if (room.over) return
      if (replacement) replacements.add(sender.add(replacement, true))
      if (undo) room.apply([undo])
      else {
        // The numbers of a closed tab say nothing about this client's changes.
        const lost = keepsLater || carried ? [] : giveUp(n, error)
        room.replace([update, ...lost], sender.outbox.updates)
      }
    }
  }

  const sender = createSender(first, room, {
    committed: (change, seq, ackedAs) => {
      const { n } = change
      replacements.delete(n)
      if (change.kind === 'event') events.committed(n, seq, ackedAs)
      if (change.kind === 'seed') {
        room.apply([change.update])
        seeds.resolve(n, true)
      }
    },
    refused: (change, error) => refused(change, error, false),
  })
  const append = (name: string, payload: Uint8Array): number =>
    sender.addFixed((n) => ({ kind: 'event', n, name, payload }))
  const events = createEventLog(room, append, read)

  return {
    sender,
    events,
    seed: async (fill, empty) => {
      if (room.over) throw room.over
      const doc = new Y.Doc()
      fill(doc)
      const update = Y.encodeStateAsUpdate(doc)
      return empty() && seeds.wait(sender.addFixed((n) => ({ kind: 'seed', n, update })))
    },
    recreated: (error) => {
      const lost = giveUp(0, error)
      sender.fail(error)
      events.reset(error)
      return lost
    },
    end: (error) => {
      sender.fail(error)
      seeds.rejectAll(error)
      events.end(error)
    },
    refusedCarried: (change, error) => refused(change, error, true),
  }
}
